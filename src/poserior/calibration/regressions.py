"""Four regressions from features to an expected accuracy in [0, 1], from the stiffest to the most flexible."""

import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.calibration.pose_features import GROUP, LOG_AREA, SCORE

Array = NDArray[np.float64]

FEWEST = 30
"""A group with fewer examples has no curve of its own."""
EPSILON = 1e-4


class Regression(ABC):
    """A function from rows of features to numbers in [0, 1].

    The columns `SCORE`, `LOG_AREA` and `GROUP` have a meaning (see `pose_features`); equal data give equal functions.
    """

    @abstractmethod
    def fit(self, features: Array, target: Array) -> None:
        """Learn from ``(M, F)`` features and their ``(M,)`` targets in [0, 1]."""

    @abstractmethod
    def predict(self, features: Array) -> Array:
        """``(M,)`` numbers in [0, 1]."""


class Isotonic(Regression):
    """A rising step curve of the score for every group and every third of size (Zadrozny and Elkan, 2002).

    A group or third with fewer than 30 examples takes the curve of all sizes, or of all groups.
    """

    def fit(self, features: Array, target: Array) -> None:
        self._borders = np.quantile(features[:, LOG_AREA], [1 / 3, 2 / 3])
        cells = self._cells(features)
        self._curves: dict[tuple[int, int], Any] = {(-1, -1): self._curve(features, target)}
        for group in np.unique(cells[:, 0]):
            inside = cells[:, 0] == group
            for size in (-1, 0, 1, 2):
                rows = inside if size < 0 else inside & (cells[:, 1] == size)
                if rows.sum() >= FEWEST:
                    self._curves[int(group), size] = self._curve(features[rows], target[rows])

    def predict(self, features: Array) -> Array:
        answer = np.empty(len(features))
        cells = self._cells(features)
        for group, size in np.unique(cells, axis=0).tolist():
            rows = (cells == (group, size)).all(1)
            curve = next(self._curves[key] for key in ((group, size), (group, -1), (-1, -1)) if key in self._curves)
            answer[rows] = curve.predict(features[rows, SCORE])
        return answer

    def _cells(self, features: Array) -> NDArray[np.int64]:
        size = np.searchsorted(self._borders, features[:, LOG_AREA])
        return np.stack([features[:, GROUP].astype(np.int64), size.astype(np.int64)], 1)

    @staticmethod
    def _curve(features: Array, target: Array) -> Any:
        from sklearn.isotonic import IsotonicRegression

        return IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(features[:, SCORE], target)


class Beta(Regression):
    """Beta calibration with size, of every group: ``sigmoid(a log s - b log(1 - s) + c log area + d)``, a, b >= 0.

    Kull, Silva Filho and Flach, "Beta calibration", 2017; ``a = b`` is temperature scaling. The cross-entropy with the
    target is minimised, which for targets between 0 and 1 has its optimum at their mean too. Groups with fewer than
    30 examples share one curve.
    """

    def fit(self, features: Array, target: Array) -> None:
        self._centre = float(features[:, LOG_AREA].mean())
        inputs = self._inputs(features)
        self._weights = {-1: self._minimum(inputs, target)}
        for group in np.unique(features[:, GROUP]):
            rows = features[:, GROUP] == group
            if rows.sum() >= FEWEST:
                self._weights[int(group)] = self._minimum(inputs[rows], target[rows])

    def predict(self, features: Array) -> Array:
        from scipy.special import expit

        groups = features[:, GROUP].astype(int)
        weights = np.stack([self._weights.get(int(group), self._weights[-1]) for group in np.unique(groups)])
        chosen = weights[np.searchsorted(np.unique(groups), groups)]
        return np.asarray(expit((self._inputs(features) * chosen).sum(1)))

    def _inputs(self, features: Array) -> Array:
        score = features[:, SCORE].clip(EPSILON, 1 - EPSILON)
        size = features[:, LOG_AREA] - self._centre
        return np.stack([np.log(score), -np.log1p(-score), size, np.ones_like(score)], 1)

    @staticmethod
    def _minimum(inputs: Array, target: Array) -> Array:
        from scipy.optimize import minimize
        from scipy.special import expit

        def loss(weights: Array) -> tuple[float, Array]:
            logits = inputs @ weights
            ridge = 1e-6 * weights
            value = (np.logaddexp(0, logits) - target * logits).mean() + 0.5 * (ridge * weights).sum()
            return float(value), inputs.T @ (expit(logits) - target) / len(target) + ridge

        bounds = [(0, None), (0, None), (None, None), (None, None)]
        found = minimize(loss, np.array([0.5, 0.5, 0.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
        return np.asarray(found.x)


class Boosting(Regression):
    """Gradient-boosted trees on all features (scikit-learn's histogram trees, squared error)."""

    def fit(self, features: Array, target: Array) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        leaf = int(np.clip(len(target) // 100, 10, 100))
        self._trees = HistGradientBoostingRegressor(
            max_iter=120,
            learning_rate=0.08,
            max_leaf_nodes=15,
            min_samples_leaf=leaf,
            l2_regularization=1.0,
            categorical_features=[GROUP] if features[:, GROUP].max() < 255 else None,
            early_stopping=False,
            random_state=0,
        ).fit(features, target)

    def predict(self, features: Array) -> Array:
        return np.asarray(self._trees.predict(features)).clip(0, 1)


class Mlp(Regression):
    """A network of two hidden layers on all features, each to mean 0 and deviation 1; the group one-hot."""

    def fit(self, features: Array, target: Array) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        self._groups = np.unique(features[:, GROUP])
        self._mean, self._scale = features.mean(0), features.std(0)
        self._scale[self._scale < 1e-9] = 1
        self._net = MLPRegressor(
            hidden_layer_sizes=(64, 32),
            alpha=1e-3,
            batch_size=min(512, len(target)),
            learning_rate_init=2e-3,
            max_iter=30,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of passes is what is wanted
            self._net.fit(self._inputs(features), target)

    def predict(self, features: Array) -> Array:
        return np.asarray(self._net.predict(self._inputs(features))).clip(0, 1)

    def _inputs(self, features: Array) -> Array:
        plain = ((features - self._mean) / self._scale).clip(-5, 5)
        return np.concatenate([plain, features[:, GROUP, None] == self._groups], 1)


METHODS: dict[str, type[Regression]] = {"isotonic": Isotonic, "beta": Beta, "boosting": Boosting, "mlp": Mlp}
