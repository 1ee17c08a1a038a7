"""Anny, a full human body from newborn to old age (package ``anny``: Apache-2.0 code, CC0 data), as a `Body`."""

import importlib
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior import skeletons
from poserior.body.base import beyond, placed, turn
from poserior.errors import InputError

# Bones that are turned, with the standard deviation of their three angles in radians (about Anny's axes: x to the
# left, y backwards, z up). A positive turn about x swings a limb's end backwards.
_SPREAD = {
    "spine05": 0.15,
    "spine03": 0.15,
    "spine01": 0.15,
    "neck01": 0.2,
    "head": 0.2,
    "shoulder01": 0.15,
    "upperarm01": 0.7,
    "lowerarm01": 0.6,
    "upperleg01": 0.5,
    "lowerleg01": 0.5,
}
_MIDDLE = ("spine05", "spine03", "spine01", "neck01", "head")
_MEAN = {"lowerarm01": -0.3, "lowerleg01": 0.2}
# Of the angle about x: knees do not bend forwards, elbows not backwards; of the others about nothing but x.
_LIMITS = {"lowerleg01": (-0.05, 2.6), "lowerarm01": (-2.3, 0.3)}
_STIFFNESS = 0.1  # radians beyond a limit that cost as much as one standard deviation


class AnnyBody:
    """The 17 keypoints of ``coco17`` on Anny's surface, by the package's own regressor.

    The shape is the package's phenotypes (gender, age, muscle, weight, height, proportions in [0, 1]), each the normal
    distribution's function of its number: uniform under the prior, but for the age, mostly an adult's. The pose is the
    three angles of the spine's, the neck's and the limbs' bones, with Gaussian priors and the limits of knees and
    elbows.

    Raises:
        InputError: the package is not installed.
    """

    name = "anny"

    def __init__(self) -> None:
        try:
            anny: Any = importlib.import_module("anny")
        except ImportError as error:
            raise InputError(
                "expected the package anny, found none; install it with: pip install 'poserior[body]'"
            ) from error
        # Plain torch: the same on every device, differentiable twice.
        self.model = anny.Anny(skinning_method="lbs")
        self.keypoints = skeletons.load("coco17").keypoints
        weights = anny.KeypointsRegressor.coco(self.model, labels=list(self.keypoints)).regression_weights
        bones = list(_MIDDLE) + [f"{name}.{side}" for side in ("L", "R") for name in _SPREAD if name not in _MIDDLE]
        self._bones = [self.model.bone_labels.index(name) for name in bones]
        names = [name.split(".")[0] for name in bones]
        self._spread = torch.tensor([_SPREAD[name] for name in names], dtype=torch.float64)
        self._mean = torch.tensor([[_MEAN.get(name, 0.0), 0.0, 0.0] for name in names], dtype=torch.float64)
        unlimited = (-torch.inf, torch.inf)
        self._low, self._high = torch.tensor([_LIMITS.get(name, unlimited) for name in names]).double().unbind(1)
        self._age = self.model.phenotype_labels.index("age")
        self.num_shape, self.num_pose = len(self.model.phenotype_labels), 3 * len(bones)
        # A keypoint is linear in the posed vertices, a posed vertex in the bones' transforms: together, one vector and
        # one weight per keypoint and bone instead of thousands of vertices.
        carried = [self._carried(row) for row in weights]
        self._weight = torch.stack([weight for weight, _ in carried])
        self._offsets = torch.stack([offsets for _, offsets in carried], 1)

    def _carried(self, weights: Float[Tensor, "V"]) -> tuple[Float[Tensor, "N"], Float[Tensor, "A N 3"]]:
        """A keypoint's weight on every bone and its vector there: at rest, then what each blend shape adds."""
        chosen = weights.nonzero()[:, 0]
        share = (weights[chosen, None] * self.model.dense_vertex_bone_weights[chosen]).mT
        shapes = torch.cat([self.model.template_vertices[None], self.model.blendshapes])[:, chosen]
        return share.sum(1), share @ shapes

    def phenotypes(self, shape: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
        """Anny's phenotypes in [0, 1]."""
        scale, middle = torch.ones_like(shape[0]), torch.zeros_like(shape[0])
        scale[self._age], middle[self._age] = 0.3, 0.55
        values: Tensor = torch.special.ndtr(middle + scale * shape)
        return values

    def joints(
        self,
        shape: Float[Tensor, "B S"],
        pose: Float[Tensor, "B P"],
        orientation: Float[Tensor, "B 3 3"],
        translation: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B J 3"]:
        deltas = self._deltas(pose)
        values = dict(zip(self.model.phenotype_labels, self.phenotypes(shape).unbind(1), strict=True))
        coefficients = self.model.get_phenotype_blendshape_coefficients(**values)
        rest_poses = self.model.get_rest_model(coefficients)["rest_bone_poses"]
        transforms, _ = self.model.get_bone_transforms(deltas, rest_poses)
        local = self._offsets[0] + torch.einsum("na,akbc->nkbc", coefficients, self._offsets[1:])
        turned = torch.einsum("nbij,nkbj->nki", transforms[..., :3, :3], local)
        moved = torch.einsum("nbi,kb->nki", transforms[..., :3, 3], self._weight)
        return placed(_upright(turned + moved), orientation, translation)

    def vertices(
        self,
        shape: Float[Tensor, "B S"],
        pose: Float[Tensor, "B P"],
        orientation: Float[Tensor, "B 3 3"],
        translation: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B V 3"]:
        """The mesh in the world."""
        posed = self.model(self._deltas(pose), phenotype_kwargs=self.phenotypes(shape))
        return placed(_upright(posed["vertices"]), orientation, translation)

    def faces(self) -> Int[Tensor, "F 3"]:
        """The mesh's triangles."""
        triangles: Tensor = self.model.get_triangular_faces()
        return triangles

    def prior(self, shape: Float[Tensor, "B S"], pose: Float[Tensor, "B P"]) -> Float[Tensor, "B"]:
        bend = self._angles(pose)[..., 0]
        outside = beyond(bend, self._low, self._high) / _STIFFNESS
        return 0.5 * (shape.square().sum(1) + pose.square().sum(1) + outside.square().sum(1))

    def _angles(self, pose: Float[Tensor, "B P"]) -> Float[Tensor, "B N 3"]:
        angles: Tensor = self._mean + pose.reshape(len(pose), -1, 3) * self._spread[:, None]
        return angles

    def _deltas(self, pose: Float[Tensor, "B P"]) -> Float[Tensor, "B N 4 4"]:
        """What every bone is turned by."""
        turned = turn(self._angles(pose))
        parts = list(torch.eye(4).to(turned).expand(len(pose), len(self.model.bone_labels), 4, 4).unbind(1))
        corner = torch.tensor([0.0, 0.0, 0.0, 1.0]).to(turned).expand(len(pose), 1, 4)
        for n, bone in enumerate(self._bones):
            top = torch.cat([turned[:, n], turned.new_zeros(len(pose), 3, 1)], 2)
            parts[bone] = torch.cat([top, corner], 1)
        return torch.stack(parts, 1)


def _upright(points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
    """Anny's frame (z up, y backwards) to a `Body`'s (y up, z forward)."""
    x, y, z = points.unbind(-1)
    return torch.stack([x, z, -y], -1)
