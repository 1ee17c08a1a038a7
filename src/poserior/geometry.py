"""Boxes, crops and coordinates: one pixel convention for the whole library.

Coordinates are continuous with the origin at the *corner* of the first pixel, so the centre of pixel ``j`` lies at
``j + 0.5`` and a flip of an image of width ``W`` is ``x -> W - x``. ``image_size`` is always ``(H, W)``. A box's
format is part of every name that holds one. A *crop* is the affine map ``(2, 3)`` from image pixels to crop pixels.
*Crop-normalised* coordinates put the crop's left/top edge at -0.5 and its right/bottom edge at 0.5.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior import crops
from poserior.areas import BOX_TO_AREA as BOX_TO_AREA


def xywh_to_xyxy(box_xywh: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 4"]:
    """Corner and size (COCO's JSON form) to two corners.

    >>> xywh_to_xyxy(torch.tensor([10.0, 20.0, 3.0, 4.0])).tolist()
    [10.0, 20.0, 13.0, 24.0]
    """
    return torch.cat([box_xywh[..., :2], box_xywh[..., :2] + box_xywh[..., 2:]], -1)


def xyxy_to_xywh(box_xyxy: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B 4"]:
    """Two corners to corner and size (COCO's JSON form)."""
    return torch.cat([box_xyxy[..., :2], box_xyxy[..., 2:] - box_xyxy[..., :2]], -1)


def box_area(box_xyxy: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B"]:
    """Square pixels.

    >>> box_area(torch.tensor([10.0, 20.0, 13.0, 24.0])).item()
    12.0
    """
    return (box_xyxy[..., 2:] - box_xyxy[..., :2]).prod(-1)


def crop_affine(
    box_xyxy: Float[Tensor, "4"],
    image_size: tuple[int, int],
    box_padding: float = 1.25,
    zoom: float = 1.0,
    rotation: float = 0.0,
    flip: bool = False,
) -> Float[Tensor, "2 3"]:
    """The map from image pixels to the pixels of a crop around a box, the box's aspect ratio kept.

    The box is first grown on its short side to the crop's aspect ratio, then by `box_padding`; no side of the
    picture is ever stretched more than the other.

    Args:
        box_xyxy: the person's box in image pixels; width and height must be positive.
        image_size: the crop's ``(H, W)`` in pixels.
        box_padding: how much larger than the box the crop is (1.25 leaves an eighth on each side).
        zoom: above 1 the person appears larger.
        rotation: degrees, clockwise as seen on the screen, about the box's centre.
        flip: mirror left and right last.

    Returns:
        An affine ``(2, 3)`` in float64: ``crop_point = A[:, :2] @ image_point + A[:, 2]``.

    >>> crop_affine(torch.tensor([0.0, 0.0, 8.0, 4.0]), (16, 16), box_padding=1.0).abs().tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 4.0]]
    """
    box = box_xyxy.double().tolist()
    return torch.from_numpy(crops.crop_affine(box, image_size, box_padding, zoom, rotation, flip))


def apply_affine(affine: Float[Tensor, "*B 2 3"], points: Float[Tensor, "*B K 2"]) -> Float[Tensor, "*B K 2"]:
    """Map points; affine and points share their leading shape and take the points' precision."""
    affine = affine.to(points.dtype)
    return points @ affine[..., :2].mT + affine[..., None, :, 2]


def invert_affine(affine: Float[Tensor, "*B 2 3"]) -> Float[Tensor, "*B 2 3"]:
    """The map back: crop pixels to image pixels.

    >>> a = torch.tensor([[2.0, 0.0, 3.0], [0.0, 2.0, -1.0]])
    >>> apply_affine(invert_affine(a), apply_affine(a, torch.tensor([[5.0, 7.0]]))).tolist()
    [[5.0, 7.0]]
    """
    linear = torch.linalg.inv(affine[..., :2])
    return torch.cat([linear, -linear @ affine[..., 2:]], -1)


def affine_zoom(affine: Float[Tensor, "*B 2 3"]) -> Float[Tensor, "*B"]:
    """How many crop pixels one image pixel becomes (square root of the area's growth)."""
    return torch.linalg.det(affine[..., :2]).abs().sqrt()  # type: ignore[no-any-return]  # torch leaves linalg.det untyped


def crop_sides(image_size: tuple[int, int], like: Tensor) -> Float[Tensor, "2"]:
    """``(W, H)``, the crop's sides in the order of coordinates, with the type and device of `like`."""
    return torch.tensor([image_size[1], image_size[0]], dtype=like.dtype, device=like.device)


def normalise_points(points: Float[Tensor, "*B 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B 2"]:
    """Crop pixels to crop-normalised coordinates.

    >>> normalise_points(torch.tensor([[0.0, 0.0], [48.0, 128.0]]), (128, 96)).tolist()
    [[-0.5, -0.5], [0.0, 0.5]]
    """
    return points / crop_sides(image_size, points) - 0.5


def denormalise_points(points: Float[Tensor, "*B 2"], image_size: tuple[int, int]) -> Float[Tensor, "*B 2"]:
    """Crop-normalised coordinates to crop pixels."""
    return (points + 0.5) * crop_sides(image_size, points)


def crop_to_image(
    points: Float[Tensor, "B K 2"], crop: Float[Tensor, "B 2 3"], image_size: tuple[int, int]
) -> Float[Tensor, "B K 2"]:
    """Crop-normalised points to image pixels."""
    return apply_affine(invert_affine(crop), denormalise_points(points.to(crop.dtype), image_size)).to(points.dtype)


def covariance_to_image(
    covariance: Float[Tensor, "B K 2 2"], crop: Float[Tensor, "B 2 3"], image_size: tuple[int, int]
) -> Float[Tensor, "B K 2 2"]:
    """Covariance in crop-normalised units to square image pixels: ``J C J^T`` with ``J`` the map's linear part."""
    jacobian = invert_affine(crop)[..., :2].to(covariance.dtype) * crop_sides(image_size, covariance)
    return jacobian[:, None] @ covariance @ jacobian[:, None].mT


def oks_widths(
    area: Float[Tensor, "B"], oks_sigmas: Float[Tensor, "K"], crop: Float[Tensor, "B 2 3"], image_size: tuple[int, int]
) -> Float[Tensor, "B K 2"]:
    """The width ``l = 2 sigma_k sqrt(area)`` of OKS = ``exp(-d^2 / 2 l^2)``, per axis, crop-normalised.

    Args:
        area: the object's area in square image pixels.
        oks_sigmas: COCO's constants of the keypoints.
        crop: image pixels to crop pixels; a similarity (no shear).
        image_size: the crop's ``(H, W)``.
    """
    in_crop = 2 * oks_sigmas * (area.sqrt() * affine_zoom(crop).to(area.dtype))[:, None]
    return in_crop[..., None] / crop_sides(image_size, in_crop)
