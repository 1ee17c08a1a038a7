"""SMPL and SMPL-X through the package ``smplx``, with the user's own model files (their licence is non-commercial)."""

import importlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior import skeletons
from poserior.body.base import beyond, placed
from poserior.errors import InputError

# Where the package's output has the keypoints of coco17: joints of the body, and the face's points, which it appends.
_FACE = {"smpl": (24, 26, 25, 28, 27), "smplx": (55, 57, 56, 59, 58)}
_LIMBS = (16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8)
# Spread of a joint's three angles in radians: hips, spine, knees, spine, ankles, spine, feet, neck, collars, head,
# shoulders, elbows, wrists; SMPL's two hands follow.
_SPREAD = (0.5, 0.5, 0.2, 0.6, 0.6, 0.15, 0.3, 0.3, 0.15, 0.1, 0.1, 0.25, 0.2, 0.2, 0.25, 0.7, 0.7, 0.7, 0.7, 0.3, 0.3)
# (number, low, high) of angles with a limit: knees bend about x, elbows about y, left and right mirrored.
_LIMITS = ((9, -0.1, 2.6), (12, -0.1, 2.6), (52, -2.6, 0.1), (55, -0.1, 2.6))
_STIFFNESS = 0.1  # radians beyond a limit that cost as much as one standard deviation


class SmplxBody:
    """The 17 keypoints of ``coco17`` of SMPL or SMPL-X.

    The shape is the model's betas, whose prior is standard normal by their making. The pose is the axis-angles of the
    21 body joints both models share, in units of a spread per joint; hands, jaw and eyes rest.

    Args:
        model_path: the model file, or the folder the package looks for it in.
        model_type: ``smpl`` or ``smplx``.
        gender: ``neutral``, ``female`` or ``male``.
        num_betas: how many shape numbers.

    Raises:
        InputError: the package or the file is missing, or the type is unknown.
    """

    def __init__(
        self, model_path: str | Path, model_type: str = "smplx", gender: str = "neutral", num_betas: int = 10
    ) -> None:
        if model_type not in _FACE:
            raise InputError(f"expected model_type 'smpl' or 'smplx', found {model_type!r}; choose one of them")
        if not Path(model_path).exists():
            raise InputError(
                f"expected SMPL's model files at {model_path}, found nothing; get them from their authors' site under"
                " their licence"
            )
        try:
            smplx: Any = importlib.import_module("smplx")
        except ImportError as error:
            raise InputError(
                "expected the package smplx, found none; install it with: pip install smplx (non-commercial licence)"
            ) from error
        options = {"use_pca": False, "flat_hand_mean": True} if model_type == "smplx" else {}
        self.model = smplx.create(
            str(model_path), model_type=model_type, gender=gender, num_betas=num_betas, dtype=torch.float64, **options
        )
        self.name, self.keypoints = model_type, skeletons.load("coco17").keypoints
        self.num_shape, self.num_pose = num_betas, 3 * len(_SPREAD)
        self._places = [*_FACE[model_type], *_LIMBS]
        self._spread = torch.tensor(_SPREAD, dtype=torch.float64).repeat_interleave(3)
        self._limited = [number for number, _, _ in _LIMITS]
        self._low, self._high = torch.tensor([limits for _, *limits in _LIMITS], dtype=torch.float64).unbind(1)

    def joints(
        self,
        shape: Float[Tensor, "B S"],
        pose: Float[Tensor, "B P"],
        orientation: Float[Tensor, "B 3 3"],
        translation: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B J 3"]:
        joints: Tensor = self._posed(shape, pose).joints
        return placed(joints[:, self._places], orientation, translation)

    def vertices(
        self,
        shape: Float[Tensor, "B S"],
        pose: Float[Tensor, "B P"],
        orientation: Float[Tensor, "B 3 3"],
        translation: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B V 3"]:
        """The mesh in the world."""
        return placed(self._posed(shape, pose).vertices, orientation, translation)

    def prior(self, shape: Float[Tensor, "B S"], pose: Float[Tensor, "B P"]) -> Float[Tensor, "B"]:
        angles = (pose * self._spread.to(pose))[:, self._limited]
        outside = beyond(angles, self._low.to(pose), self._high.to(pose)) / _STIFFNESS
        return 0.5 * (shape.square().sum(1) + pose.square().sum(1) + outside.square().sum(1))

    def _posed(self, shape: Float[Tensor, "B S"], pose: Float[Tensor, "B P"]) -> Any:
        angles = pose * self._spread.to(pose)
        rest = 0 if self.name == "smplx" else 6  # SMPL counts two hands among its 23 joints
        whole = torch.cat([angles, angles.new_zeros(len(angles), rest)], 1)
        people = len(shape)
        still = {"global_orient": whole.new_zeros(people, 3), "transl": whole.new_zeros(people, 3)}
        if self.name == "smplx":
            still |= {name: whole.new_zeros(people, 3) for name in ("jaw_pose", "leye_pose", "reye_pose")}
            still |= {name: whole.new_zeros(people, 45) for name in ("left_hand_pose", "right_hand_pose")}
            still["expression"] = whole.new_zeros(people, self.model.num_expression_coeffs)
        return self.model(betas=shape, body_pose=whole, **still)
