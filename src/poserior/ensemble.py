"""Several answers to one picture as one density: the mixture of theirs. Nothing is averaged but probability."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from poserior.distributions import Distribution, Mixture
from poserior.errors import InputError
from poserior.models import Model, ModelSpec, Regressor, load_model
from poserior.skeletons import Skeleton


class Ensemble(Model):
    """Trained models as the equal mixture of their densities: ``p(y) = (1/M) sum_m p_m(y)``.

    Where the members disagree the mixture is wide, whatever each of them believes of itself: its covariance is the mean
    of theirs plus the covariance of their means. The confidence is the expected OKS under the mixture. Members may
    differ in backbone and head; with a flip test each brings its own mirrored density, and the mixture has 2 M parts.

    Args:
        models: at least one; of the same keypoints and crops.

    Source: Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
    NeurIPS 2017 (they then match one Gaussian to the mixture; here it is kept).
    """

    def __init__(self, models: Sequence[Model]) -> None:
        super().__init__()
        if not models:
            raise InputError("expected at least one model for an ensemble, found none; name the members")
        counts = sorted({_num_keypoints(model) for model in models})
        if len(counts) > 1:
            raise InputError(f"expected members of one skeleton, found {counts} keypoints; leave the others out")
        self.models = nn.ModuleList(models)

    @classmethod
    def load(cls, run_dirs: Sequence[str | Path]) -> "tuple[Ensemble, ModelSpec]":
        """The ensemble of trained runs and what a predictor needs to know of it, as `load_model` gives for one.

        The description is the first run's, but for the area of a person per box area, which is the mean.

        Raises:
            InputError: no runs; one that is not finished; runs that differ in keypoints, crop size or padding.
        """
        loaded = [load_model(Path(folder)) for folder in run_dirs]
        ensemble = cls([model for model, _ in loaded])
        first, *others = [spec for _, spec in loaded]
        for folder, spec in zip(list(run_dirs)[1:], others, strict=True):
            for what in ("skeleton", "image_size", "box_padding"):
                mine, theirs = getattr(first, what), getattr(spec, what)
                if mine != theirs:
                    raise InputError(
                        f"expected members of one {what}, found {_short(mine)} in {run_dirs[0]} and {_short(theirs)}"
                        f" in {folder}; leave one out or train it again"
                    )
        area = sum(spec.area_per_box for spec in [first, *others]) / len(loaded)
        for model, _ in loaded:  # every member is given widths that assume the mean
            if model.calibrator is not None and model.calibrator.area_per_box is not None:
                model.calibrator.area_per_box = area
        return ensemble, replace(first, area_per_box=area)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Distribution:
        return self.predict(images)[0]

    def predict(self, images: Float[Tensor, "B 3 H W"], mirror: Skeleton | None = None) -> tuple[Distribution, Any]:
        laws, features = zip(*[model.predict(images, mirror) for model in self._members()], strict=True)
        return (Mixture(laws) if len(laws) > 1 else laws[0]), features

    def judge(
        self, distribution: Distribution, features: Any, widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """Every member judges the mixture by what it saw; the mean of their confidences and visibilities."""
        verdicts = [
            model.judge(distribution, seen, widths) for model, seen in zip(self._members(), features, strict=True)
        ]
        confidence, visibility = (torch.stack(column).mean(0) for column in zip(*verdicts, strict=True))
        return confidence, visibility

    def area_share(self, features: Any) -> Float[Tensor, "B"] | None:
        """The mean of the shares that members predict; None if none does."""
        each = [model.area_share(seen) for model, seen in zip(self._members(), features, strict=True)]
        predicted = [share for share in each if share is not None]
        return torch.stack(predicted).mean(0) if predicted else None

    def _members(self) -> list[Model]:
        return [model for model in self.models if isinstance(model, Model)]


class _DropoutPasses(Ensemble):
    """One model, run several times with its dropout active, also in eval mode."""

    def __init__(self, model: Model, passes: int) -> None:
        super().__init__([model])
        self.passes = passes
        self.eval()

    def train(self, mode: bool = True) -> "_DropoutPasses":
        super().train(mode)
        for module in self.modules():
            children = [child for child in module.children() if isinstance(child, _DropoutNd) and child.p > 0]
            for child in children:
                child.train()
                # Fused attention asks its own flag whether to drop, not its dropout's; its other parts keep theirs.
                module.training = True
        return self

    def _members(self) -> list[Model]:
        return super()._members() * self.passes


def mc_dropout(model: Model, passes: int = 10) -> Ensemble:
    """Monte Carlo dropout: the mixture of a model's densities over random dropout masks, with an ensemble's interface.

    Everything but the dropout stays in eval mode. The masks come from torch's global random numbers. The heads of this
    library have no dropout of their own: give it to the backbone, e.g. ``proj_drop_rate=0.1`` of timm's vision
    transformers; timm's ``drop_rate`` mostly acts on the classifier, which a backbone here does not have.

    Args:
        model: trained with dropout; it is put in eval mode, its dropout stays active.
        passes: T, how many masks.

    Raises:
        InputError: the model has no dropout, or `passes` is below 1.

    Source: Gal and Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016.
    """
    if passes < 1:
        raise InputError(f"expected at least 1 pass, found {passes}; give a positive number")
    if not any(isinstance(module, _DropoutNd) and module.p > 0 for module in model.modules()):
        raise InputError(
            "expected a model with dropout for Monte Carlo dropout, found none; train one whose backbone has it"
            " (proj_drop_rate of a vision transformer; drop_rate acts on the classifier only), or use an Ensemble"
        )
    return _DropoutPasses(model, passes)


def _num_keypoints(model: Model) -> int:
    if isinstance(model, Ensemble):
        return _num_keypoints(model._members()[0])
    assert isinstance(model, Regressor)
    return model.head.num_keypoints


def _short(value: Any) -> str:
    return value.name if isinstance(value, Skeleton) else str(value)
