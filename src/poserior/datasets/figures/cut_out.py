"""One person without surroundings, to be put into other pictures."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from poserior.datasets.figures.figure import add_figure, add_stool
from poserior.datasets.figures.light import sample_light
from poserior.datasets.figures.raycast import Parts, cast, prepare
from poserior.datasets.figures.scene import Settings, measure, place, stage, wearer
from poserior.datasets.figures.shading import shade

_LEFT, _RIGHT = [5, 11], [6, 12]  # shoulder and hip among the keypoints of coco17


@dataclass(frozen=True, eq=False)
class CutOut:
    """One person, and the stool of somebody who sits.

    Attributes:
        colour: ``(h, w, 4)`` RGB weighted by the coverage, and the coverage.
        mask: ``(h, w)`` 255 where the person is, without the stool.
        keypoints: ``(17, 2)`` pixels of `colour`.
        visibility: ``(17,)`` 2 seen, 1 hidden by the person's own body.
        facing: see `facing`.
    """

    colour: UInt8[np.ndarray, "h w 4"]
    mask: UInt8[np.ndarray, "h w"]
    keypoints: Float[np.ndarray, "17 2"]
    visibility: Int[np.ndarray, "17"]
    facing: float


def cut_out(seed: int, number: int, side: int) -> CutOut:
    """A person painted alone in a square of `side` pixels, cut tightly; the same for the same arguments."""
    settings = Settings((side, side), (1, 1), 1, 0.0, 0.0, 2)
    rng, (actor,), camera = stage(seed, number, settings)
    light, pose, parts = sample_light(rng), actor.start, Parts()
    add_figure(parts, 0, actor.shape, pose, actor.outfit)
    if actor.motion.seated:
        add_stool(parts, pose.joint("pelvis") - [0, 0.058 * actor.shape.height, 0], actor.stool)
    quadrics = prepare(parts, camera)
    buffers = cast(quadrics, camera, settings.picture_size, settings.supersample)
    fine = shade(parts, quadrics, buffers, camera, light, [wearer(actor, pose, camera)], settings.supersample)
    rows, columns = place(buffers, settings.supersample)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    colour = np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.uint8)
    nothing = np.zeros(settings.picture_size, np.uint8)
    person = measure(0, actor.shape, pose, parts, buffers, nothing, camera, settings)
    mask = person.mask[rows, columns].astype(np.uint8) * np.uint8(255)
    down, across = np.flatnonzero(colour[..., 3].any(1)), np.flatnonzero(colour[..., 3].any(0))
    tight = slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1)
    corner = np.array([columns.start + across[0], rows.start + down[0]], np.float64)
    return CutOut(
        colour[tight].copy(),
        mask[tight].copy(),
        person.keypoints - corner,
        person.visibility.clip(1, 2),
        facing(person.joints_3d),
    )


def facing(joints_3d: Float[np.ndarray, "17 3"]) -> float:
    """The cosine of the angle between where the chest points and the way from it to the camera.

    1 is straight towards the camera, -1 straight away from it. The chest points along ``left x up``: left is from the
    mean of right shoulder and right hip to that of the left ones, up from the middle of the hips to that of the
    shoulders; the chest's place is the mean of the four.

    Args:
        joints_3d: of ``coco17``, metres in the camera's frame (x right, y down, z away).
    """
    left = joints_3d[_LEFT].mean(0) - joints_3d[_RIGHT].mean(0)
    up = joints_3d[[5, 6]].mean(0) - joints_3d[[11, 12]].mean(0)
    front, place = np.cross(left, up), joints_3d[_LEFT + _RIGHT].mean(0)
    lengths = float(np.linalg.norm(front) * np.linalg.norm(place))
    return float(-front @ place) / lengths if lengths > 0 else 0.0
