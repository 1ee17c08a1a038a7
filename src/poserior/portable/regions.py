"""Regions with guaranteed coverage as an exported file tells them: bounds by coverage, keypoint and object size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from poserior.errors import InputError
from poserior.portable.prediction import PortableRegion

COVERAGE = 0.9
"""The promise of regions, unless asked otherwise."""


class RegionTable:
    """The bounds of one coverage.

    Args:
        coverage: the promised probability.
        edges: ``(K, E)`` the sizes, as logarithms of the area, that part each keypoint's groups.
        radius: ``(E + 1, K)`` Mahalanobis radii.
        level: ``(E + 1, K)`` credible levels.

    >>> table = RegionTable(0.9, np.log([[100.0]]), np.array([[2.0], [3.0]]), np.array([[0.8], [0.9]]))
    >>> [float(person[0.9].radius[0]) for person in table.of(np.array([50.0, 100.0], np.float32))]
    [2.0, 3.0]
    """

    def __init__(self, coverage: float, edges: np.ndarray, radius: np.ndarray, level: np.ndarray) -> None:
        self.coverage = coverage
        self._edges, self._radius, self._level = (np.asarray(part, np.float32) for part in (edges, radius, level))

    @classmethod
    def asked_for(
        cls, content: Mapping[str, Any] | None, coverage: float | None, num_keypoints: int, path: Path
    ) -> "RegionTable | None":
        """The table of a coverage; by default that of 0.9 if there is one.

        Raises:
            InputError: there is none of the coverage asked for, or the file's numbers cannot be used.
        """
        if coverage is not None and not 0 < coverage < 1:
            raise InputError(f"expected a coverage of regions between 0 and 1, found {coverage:g}; give 0.9 for 90 %")
        promise = COVERAGE if coverage is None else coverage
        try:
            radii = {round(float(key), 9): rows for key, rows in content["radii"].items()} if content else {}
            if content and (found := radii.get(round(promise, 9))) is not None:
                levels = {round(float(key), 9): rows for key, rows in content["levels"].items()}
                edges = _numbers(content["log_area_edges"], -np.inf).reshape(num_keypoints, -1)
                shape = (edges.shape[1] + 1, num_keypoints)
                level = _numbers(levels[round(promise, 9)], np.inf)
                return cls(promise, edges, _numbers(found, np.inf).reshape(shape), level.reshape(shape))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"the regions of {path} cannot be used ({error}); export the run again") from None
        if coverage is None:
            return None
        told = f"those of {', '.join(f'{value:g}' for value in radii)}" if radii else "none (or none for its flip test)"
        raise InputError(
            f"expected regions of coverage {coverage:g} in {path}, found {told}; ask for one of these, or fit some with"
            " `poserior calibrate --method conformal` and export again"
        )

    def of(self, area: Float32[np.ndarray, "B"]) -> list[dict[float, PortableRegion]]:
        """The regions of B people.

        Args:
            area: what the objects' areas are taken for, in square image pixels.
        """
        group = (np.log(area)[:, None, None] >= self._edges).sum(-1)
        keypoint = np.arange(len(self._edges))
        return [
            {self.coverage: PortableRegion(self._radius[row, keypoint], self._level[row, keypoint])} for row in group
        ]


def _numbers(rows: Any, null: float) -> np.ndarray:
    """Nested lists to numbers; JSON has no infinity, so null stands for it."""
    flat = [[null if value is None else value for value in row] for row in rows]
    return np.array(flat, np.float32)
