"""Predictions on their pictures: a JPEG of a person's surroundings, over it an SVG in the picture's own pixels."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from poserior.errors import InputError
from poserior.report.method import Method, array
from poserior.report.per_keypoint import readable

ASPECT = 0.8
"""Width over height of a tile."""
TALLEST = 420
"""Pixels; larger crops are made smaller before they are stored."""
STOPS = ((0.0, (232, 70, 43)), (0.5, (255, 210, 63)), (1.0, (62, 190, 255)))
"""Vermilion, yellow, sky blue: told apart by the colour-blind, and bright on any picture."""


@dataclass(frozen=True)
class Mark:
    """One keypoint as it is drawn, in pixels of the original picture.

    Attributes:
        x, y: the prediction.
        color: of the confidence.
        text: shown when the pointer rests on it.
        ellipse: centre, radii and angle in degrees of the 90 % ellipse.
        label: the labelled place, where there is one.
    """

    x: float
    y: float
    color: str
    text: str
    ellipse: tuple[float, float, float, float, float] | None
    label: tuple[float, float] | None


@dataclass(frozen=True)
class Overlay:
    """One method's answer on a tile."""

    index: int
    caption: str
    marks: tuple[Mark, ...]
    limbs: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Tile:
    """A person's surroundings.

    Attributes:
        view: left, top, width, height of what is seen, in pixels of the original picture.
        place: the same of the part of it that lies inside the picture.
        jpeg: that part, base64.
        unit: the length that strokes are measured in, in pixels of the original picture.
        overlays: one of each method.
        name: the picture's and the person's id.
    """

    view: tuple[float, float, float, float]
    place: tuple[float, float, float, float]
    jpeg: str
    unit: float
    overlays: tuple[Overlay, ...]
    name: str


def confidence_color(confidence: float) -> str:
    """The colour of a confidence in [0, 1], between the `STOPS`; grey if it is not a number.

    >>> confidence_color(0.0), confidence_color(0.5), confidence_color(1.0)
    ('#e8462b', '#ffd23f', '#3ebeff')
    """
    if not np.isfinite(confidence):
        return "#9aa0a6"
    places = [place for place, _ in STOPS]
    channels = [np.interp(confidence, places, [color[i] for _, color in STOPS]) for i in range(3)]
    return "#" + "".join(f"{round(float(channel)):02x}" for channel in channels)


def ellipse_axes(covariance: Float[np.ndarray, "2 2"], radius: float) -> tuple[float, float, float] | None:
    """Radii of the ellipse ``(y - m)^T C^-1 (y - m) = radius^2`` and the first one's angle, degrees from x towards y.

    None if the covariance or the radius is no finite, positive thing.

    >>> ellipse_axes(np.array([[4.0, 0.0], [0.0, 9.0]]), 2.0)
    (6.0, 4.0, 90.0)
    """
    if not (np.isfinite(covariance).all() and np.isfinite(radius) and radius > 0):
        return None
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    if values[0] <= 0:
        return None
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))) % 180.0
    return radius * float(np.sqrt(values[1])), radius * float(np.sqrt(values[0])), angle


def tile(methods: Sequence[Method], person: int, pictures: Callable[[int], np.ndarray]) -> Tile:
    """The tile of one person with every method's answer."""
    e = methods[0].evaluation
    picture = _checked(pictures(person), person)
    view = _view(array(e.box_xyxy)[person], picture.shape[1], picture.shape[0])
    place, jpeg = _jpeg(picture, view)
    name = f"picture {e.image_id[person]}, person {e.annotation_id[person]}"
    return Tile(view, place, jpeg, view[3] / 400.0, tuple(_overlay(method, person) for method in methods), name)


def _checked(picture: np.ndarray, person: int) -> UInt8[np.ndarray, "H W 3"]:
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise InputError(
            f"expected the picture of person {person} as (H, W, 3) uint8, found {picture.shape} {picture.dtype};"
            " give the whole original picture in RGB"
        )
    return picture


def _view(box_xyxy: Float[np.ndarray, "4"], width: int, height: int) -> tuple[float, float, float, float]:
    """The box grown by a quarter and to the tile's aspect; as far inside the picture as the whole box allows."""
    x0, y0, x1, y1 = box_xyxy.tolist()
    tight = max(x1 - x0, ASPECT * (y1 - y0), 8.0)
    across = float(max(tight, min(1.25 * tight, width, ASPECT * height)))
    down = across / ASPECT
    return _start((x0 + x1) / 2, across, width), _start((y0 + y1) / 2, down, height), across, down


def _start(centre: float, extent: float, whole: int) -> float:
    """Where a window about a centre begins; pushed into [0, whole] if it fits there and the centre lies there."""
    start = centre - extent / 2
    return min(max(start, 0.0), whole - extent) if extent <= whole and 0 <= centre <= whole else start


def _jpeg(
    picture: UInt8[np.ndarray, "H W 3"], view: tuple[float, float, float, float]
) -> tuple[tuple[float, float, float, float], str]:
    height, width = picture.shape[:2]
    left, top = max(int(np.floor(view[0])), 0), max(int(np.floor(view[1])), 0)
    right = min(int(np.ceil(view[0] + view[2])), width)
    bottom = min(int(np.ceil(view[1] + view[3])), height)
    if right <= left or bottom <= top:
        return (0.0, 0.0, 0.0, 0.0), ""
    crop = Image.fromarray(np.ascontiguousarray(picture[top:bottom, left:right]))
    shrink = min(1.0, TALLEST / view[3])
    if shrink < 1:
        size = (max(round(crop.width * shrink), 1), max(round(crop.height * shrink), 1))
        crop = crop.resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=85)
    place = (float(left), float(top), float(right - left), float(bottom - top))
    return place, base64.b64encode(buffer.getvalue()).decode("ascii")


def _overlay(method: Method, person: int) -> Overlay:
    e = method.evaluation
    shown = method.labelled[person].copy()
    if e.visibility is not None:
        shown |= array(e.visibility)[person] >= 0.5
    points = array(e.keypoints)[person]
    shown &= np.isfinite(points).all(-1)
    marks = tuple(_mark(method, person, int(k)) for k in np.flatnonzero(shown))
    limbs = tuple(
        (float(points[a, 0]), float(points[a, 1]), float(points[b, 0]), float(points[b, 1]))
        for a, b in e.skeleton.edges
        if shown[a] and shown[b]
    )
    oks, confidence = method.person_oks[person], method.person_confidence[person]
    caption = f"OKS {oks:.2f} · confidence {confidence:.2f}" if np.isfinite(oks) else "not labelled"
    return Overlay(method.index, caption, marks, limbs)


def _mark(method: Method, person: int, k: int) -> Mark:
    e = method.evaluation
    x, y = array(e.keypoints)[person, k].tolist()
    confidence = float(method.confidence[person, k])
    text = f"{readable(e.skeleton.keypoints[k])}: confidence {confidence:.2f}"
    label = None
    if method.labelled[person, k]:
        label_x, label_y = array(e.target)[person, k].tolist()
        label = (label_x, label_y)
        text += f", OKS {method.oks[person, k]:.2f}, error {method.error[person, k]:.1f} px"
    ellipse = None
    if e.covariance is not None and e.ellipse_radius is not None:
        centre = array(e.keypoints if e.mean is None else e.mean)[person, k].tolist()
        axes = ellipse_axes(array(e.covariance)[person, k], float(e.ellipse_radius[person, k]))
        ellipse = None if axes is None else (centre[0], centre[1], *axes)
    return Mark(x, y, confidence_color(confidence), text, ellipse, label)
