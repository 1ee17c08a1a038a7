"""The body of the synthetic people (`poserior.datasets.figures`), differentiable: it needs no file and no licence."""

import dataclasses
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from poserior import skeletons
from poserior.body.base import beyond, placed
from poserior.datasets.figures.body import PARENTS, SIGNS, Shape, pose_body, sample_shape
from poserior.datasets.figures.figure import keypoints
from poserior.datasets.figures.poses import JOINTS, LIMITS, sample_motion

# The measures that place keypoints; the others (girths, hands, feet) do not show in them.
MEASURES = ("height", "trunk", "shoulder", "hip", "upper_arm", "forearm", "thigh", "shin", "head")
_DRAWS = 2000
_LIMIT_SOFTNESS = 5.0  # degrees beyond a limit that cost as much as one standard deviation


class FiguresBody:
    """Bone lengths and joint angles; the keypoints of ``coco17``.

    The prior is Gaussian with the moments of the law the synthetic people are drawn from, and quadratic beyond the
    joints' limits. Neither the pelvis' own angles (the orientation holds them) nor those that move no keypoint (wrist,
    ankle, a limb about its own axis below elbow and knee) are parameters.
    """

    name = "figures"

    def __init__(self) -> None:
        self.keypoints = skeletons.load("coco17").keypoints
        law = _law()
        self._angles = torch.tensor(_free())
        self._shape_mean, self._shape_factor, self._pose_mean, self._pose_factor = map(torch.from_numpy, law)
        self.num_shape, self.num_pose = len(self._shape_mean), len(self._pose_mean)
        self._offsets, self._on_joint = torch.from_numpy(_offsets()), [int(joint) for joint in _carriers()]
        self._limits = torch.from_numpy(LIMITS[tuple(self._angles.T)])
        self._signs = torch.from_numpy(np.asarray(SIGNS))

    def measures(self, shape: Float[Tensor, "B S"]) -> Float[Tensor, "B M"]:
        """The bone lengths of `MEASURES` in metres: log-normal."""
        law = [part.to(shape) for part in (self._shape_mean, self._shape_factor)]
        return (law[0] + shape @ law[1].mT).exp()

    def angles(self, pose: Float[Tensor, "B P"]) -> Float[Tensor, "B P"]:
        """The free joint angles in degrees."""
        return self._pose_mean.to(pose) + pose @ self._pose_factor.to(pose).mT

    def describe(self, shape: Shape, angles: Float[np.ndarray, "J 3"]) -> tuple[Float[Tensor, "S"], Float[Tensor, "P"]]:
        """Shape and pose of a synthetic person; the pelvis' own angles belong to the orientation."""
        lengths = torch.tensor([getattr(shape, name) for name in MEASURES], dtype=torch.float64).log()
        free = torch.from_numpy(angles[tuple(self._angles.T)])
        return (
            torch.linalg.solve(self._shape_factor, lengths - self._shape_mean),
            torch.linalg.solve(self._pose_factor, free - self._pose_mean),
        )

    def joints(
        self,
        shape: Float[Tensor, "B S"],
        pose: Float[Tensor, "B P"],
        orientation: Float[Tensor, "B 3 3"],
        translation: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B J 3"]:
        offsets = torch.einsum("jcm,bm->bjc", self._offsets.to(shape), self.measures(shape))
        angles = pose.new_zeros(len(pose), len(JOINTS), 3)
        angles[:, self._angles[:, 0], self._angles[:, 1]] = self.angles(pose)
        local = _rotations(angles, self._signs.to(pose))
        frames, points = [local[:, 0]], [torch.zeros_like(translation)]
        for joint in range(1, len(JOINTS)):
            parent = PARENTS[joint]
            points.append(points[parent] + (frames[parent] @ offsets[:, joint, :, None]).squeeze(-1))
            frames.append(frames[parent] @ local[:, joint])
        shown = [
            points[carrier] + (frames[carrier] @ offsets[:, len(JOINTS) + k, :, None]).squeeze(-1)
            for k, carrier in enumerate(self._on_joint)
        ]
        return placed(torch.stack(shown, 1), orientation, translation)

    def prior(self, shape: Float[Tensor, "B S"], pose: Float[Tensor, "B P"]) -> Float[Tensor, "B"]:
        low, high = self._limits.to(pose).unbind(-1)
        outside = beyond(self.angles(pose), low, high) / _LIMIT_SOFTNESS
        return 0.5 * (shape.square().sum(1) + pose.square().sum(1) + outside.square().sum(1))


def _rotations(angles: Float[Tensor, "B J 3"], signs: Float[Tensor, "J 3"]) -> Float[Tensor, "B J 3 3"]:
    """``Rz(abduction) Rx(flexion) Ry(rotation)`` of degrees, as `datasets.figures.body.rotations`."""
    x, y, z = (torch.deg2rad(angles) * signs).unbind(-1)
    cx, sx, cy, sy, cz, sz = x.cos(), x.sin(), y.cos(), y.sin(), z.cos(), z.sin()
    matrices = torch.stack(
        [
            *(cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy),
            *(sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy),
            *(-cx * sy, sx, cx * cy),
        ],
        -1,
    )
    return matrices.reshape(*x.shape, 3, 3)


def _free() -> list[tuple[int, int]]:
    """(joint, axis) of the angles that move a keypoint."""
    axes = {"spine": 3, "chest": 3, "neck": 3, "shoulder": 3, "elbow": 1, "hip": 3, "knee": 1}
    return [(j, axis) for j, name in enumerate(JOINTS) for axis in range(axes.get(name.split("_")[-1], 0))]


def _carriers() -> list[int]:
    """The joint whose part each keypoint of ``coco17`` is fixed to: the head's five to the neck's."""
    names = skeletons.load("coco17").keypoints
    return [JOINTS.index(name) if name in JOINTS else JOINTS.index("neck") for name in names]


def _offsets() -> Float[np.ndarray, "N 3 M"]:
    """What each measure adds to the place of every joint in its parent's frame, then of every keypoint in its joint's.

    A straight body is linear in its measures: bodies of which one measure is 1 and the others 0 tell everything.
    """
    columns = []
    for measure in MEASURES:
        values = {field.name: float(field.name == measure) for field in dataclasses.fields(Shape)}
        unit = Shape(**values)
        straight = pose_body(unit, np.zeros((len(JOINTS), 3)), 0.0)
        parents = straight.points[np.array(PARENTS)]
        shown = keypoints(unit, straight) - straight.points[_carriers()]
        columns.append(np.concatenate([straight.points - parents * (np.array(PARENTS) >= 0)[:, None], shown]))
    return np.stack(columns, -1)


@cache
def _law() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean and Cholesky factor of the log measures and of the free angles, from draws that are always the same."""
    rng = np.random.Generator(np.random.PCG64(0))
    shapes = [sample_shape(rng) for _ in range(_DRAWS)]
    lengths = np.log([[getattr(shape, name) for name in MEASURES] for shape in shapes])
    free = tuple(np.array(_free()).T)
    angles = np.stack([sample_motion(rng).at(0.0)[free] for _ in range(_DRAWS)])
    factors = [np.linalg.cholesky(np.cov(values.T) + 1e-9 * np.eye(values.shape[1])) for values in (lengths, angles)]
    return lengths.mean(0), factors[0], angles.mean(0), factors[1]
