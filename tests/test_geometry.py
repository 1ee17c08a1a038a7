import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior.errors import InputError
from poserior.geometry import (
    affine_zoom,
    apply_affine,
    covariance_to_image,
    crop_affine,
    crop_sides,
    crop_to_image,
    denormalise_points,
    invert_affine,
    normalise_points,
    oks_widths,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

pytestmark = pytest.mark.usefixtures("double")

sides = st.floats(3.0, 900.0)
places = st.floats(-300.0, 300.0)
crops = st.fixed_dictionaries(
    {
        "zoom": st.floats(0.4, 2.5),
        "rotation": st.floats(-180.0, 180.0),
        "flip": st.booleans(),
        "box_padding": st.floats(0.8, 2.0),
    }
)
size = st.tuples(st.integers(8, 400), st.integers(8, 400))


@st.composite
def boxes(draw):
    x, y, w, h = draw(places), draw(places), draw(sides), draw(sides)
    return torch.tensor([x, y, x + w, y + h])


def test_box_formats_by_hand() -> None:
    xywh = torch.tensor([[10.0, 20.0, 3.0, 4.0], [-1.0, 0.0, 0.5, 7.0]])
    xyxy = torch.tensor([[10.0, 20.0, 13.0, 24.0], [-1.0, 0.0, -0.5, 7.0]])
    assert torch.equal(xywh_to_xyxy(xywh), xyxy)
    assert torch.equal(xyxy_to_xywh(xyxy), xywh)


def test_crops_by_hand() -> None:
    # A box of 20 x 40 at (10, 10) into (H 96, W 72): the height binds, 96 / 40 / 1.2 = 2 crop pixels per pixel.
    box = torch.tensor([10.0, 10.0, 30.0, 50.0])
    still = crop_affine(box, (96, 72), box_padding=1.2)
    torch.testing.assert_close(still, torch.tensor([[2.0, 0.0, -4.0], [0.0, 2.0, -12.0]]))
    # Flip: x -> 72 - x.
    flipped = crop_affine(box, (96, 72), box_padding=1.2, flip=True)
    torch.testing.assert_close(flipped, torch.tensor([[-2.0, 0.0, 76.0], [0.0, 2.0, -12.0]]))
    # A quarter turn clockwise on the screen: what was right of the centre (20, 30) is now below it.
    turned = crop_affine(box, (96, 72), box_padding=1.2, rotation=90.0)
    torch.testing.assert_close(apply_affine(turned, torch.tensor([[25.0, 30.0]])), torch.tensor([[36.0, 58.0]]))
    # Zoom 0.5: half as large.
    far = crop_affine(box, (96, 72), box_padding=1.2, zoom=0.5)
    torch.testing.assert_close(far, torch.tensor([[1.0, 0.0, 16.0], [0.0, 1.0, 18.0]]))


@settings(max_examples=60, deadline=None)
@given(boxes(), size, crops)
def test_a_crop_keeps_the_centre_the_aspect_and_the_padding(box, image_size, options) -> None:
    affine = crop_affine(box, image_size, **options)
    assert affine.dtype == torch.float64
    height, width = image_size
    centre = apply_affine(affine, ((box[:2] + box[2:]) / 2)[None])[0]
    torch.testing.assert_close(centre, torch.tensor([width / 2, height / 2]), atol=1e-6, rtol=0)
    linear, pixels = affine[:, :2], float(affine_zoom(affine))
    torch.testing.assert_close(linear @ linear.mT, pixels**2 * torch.eye(2))  # a similarity: nothing is stretched
    assert math.copysign(1, torch.linalg.det(linear)) == (-1 if options["flip"] else 1)
    # The box, grown by the padding, just fits: one side touches, none sticks out.
    box_width, box_height = (box[2:] - box[:2]).tolist()
    unzoomed = pixels / options["zoom"] * options["box_padding"]
    assert max(box_width * unzoomed / width, box_height * unzoomed / height) == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(boxes(), size, crops)
def test_there_and_back_again(box, image_size, options) -> None:
    affine = crop_affine(box, image_size, **options)
    points = torch.rand(5, 2) * 600 - 100
    there = apply_affine(affine, points)
    torch.testing.assert_close(apply_affine(invert_affine(affine), there), points, atol=1e-7, rtol=1e-9)
    torch.testing.assert_close(denormalise_points(normalise_points(there, image_size), image_size), there)
    normal = normalise_points(there, image_size)[None]
    torch.testing.assert_close(crop_to_image(normal, affine[None], image_size)[0], points, atol=1e-6, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(boxes(), size, st.floats(-90.0, 90.0))
def test_a_flipped_crop_is_the_mirrored_crop(box, image_size, rotation) -> None:
    points = torch.rand(4, 2) * 300
    plain = apply_affine(crop_affine(box, image_size, rotation=rotation), points)
    mirrored = apply_affine(crop_affine(box, image_size, rotation=rotation, flip=True), points)
    torch.testing.assert_close(mirrored[:, 0], image_size[1] - plain[:, 0])
    torch.testing.assert_close(mirrored[:, 1], plain[:, 1])


@pytest.mark.parametrize(
    "box", [[3.0, 3.0, 3.0, 9.0], [3.0, 9.0, 8.0, 3.0], [0.0, 0.0, math.nan, 4.0], [0.0, 0.0, math.inf, 4.0]]
)
def test_boxes_that_are_none(box) -> None:
    with pytest.raises(InputError, match="expected a box of positive width and height, found"):
        crop_affine(torch.tensor(box), (9, 8))


def test_normalised_corners_by_hand() -> None:
    corners = torch.tensor([[0.0, 0.0], [8.0, 0.0], [8.0, 20.0], [2.0, 15.0]])
    expected = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.25, 0.25]])
    torch.testing.assert_close(normalise_points(corners, (20, 8)), expected)
    assert crop_sides((20, 8), corners).tolist() == [8.0, 20.0]


def test_points_keep_their_precision() -> None:
    affine = crop_affine(torch.tensor([0.0, 0.0, 8.0, 4.0]), (16, 16))
    assert apply_affine(affine, torch.rand(3, 2, dtype=torch.float32)).dtype == torch.float32
    normal = torch.rand(1, 3, 2, dtype=torch.float32)
    assert crop_to_image(normal, affine[None], (16, 16)).dtype == torch.float32


def test_covariance_by_hand() -> None:
    # Two crop pixels per image pixel and (H, W) = (40, 20): one unit is 20 / 2 pixels in x and 40 / 2 in y.
    crop = torch.tensor([[[2.0, 0.0, 5.0], [0.0, 2.0, -3.0]]])
    covariance = torch.tensor([[[[0.01, 0.002], [0.002, 0.04]]]])
    expected = torch.tensor([[[[1.0, 0.4], [0.4, 16.0]]]])
    torch.testing.assert_close(covariance_to_image(covariance, crop, (40, 20)), expected)
    # A mirrored crop turns the correlation's sign.
    crop[0, 0, 0] = -2.0
    expected[..., 0, 1] = expected[..., 1, 0] = -0.4
    torch.testing.assert_close(covariance_to_image(covariance, crop, (40, 20)), expected)


@settings(max_examples=40, deadline=None)
@given(boxes(), size, crops)
def test_covariance_is_carried_by_the_maps_derivative(box, image_size, options) -> None:
    affine = crop_affine(box, image_size, **options)[None]
    root = torch.randn(3, 2, 2)
    covariance = (root @ root.mT)[None]
    origin = crop_to_image(torch.zeros(1, 1, 2), affine, image_size)
    steps = crop_to_image(torch.eye(2)[None] * 0.5, affine, image_size)
    jacobian = ((steps - origin) / 0.5)[0].mT  # the map is affine: differences are its derivative
    expected = jacobian @ covariance[0] @ jacobian.mT
    torch.testing.assert_close(covariance_to_image(covariance, affine, image_size)[0], expected, rtol=1e-6, atol=1e-6)


def test_oks_widths_by_hand() -> None:
    # Area 400, sigma 0.05 and 0.1: l = 2 and 4 pixels of the picture, 6 and 12 of the crop (3 x), of 60 x 120.
    crop = torch.tensor([[[0.0, -3.0, 1.0], [3.0, 0.0, 2.0]]])
    widths = oks_widths(torch.tensor([400.0]), torch.tensor([0.05, 0.1]), crop, (120, 60))
    torch.testing.assert_close(widths, torch.tensor([[[0.1, 0.05], [0.2, 0.1]]]))


@settings(max_examples=40, deadline=None)
@given(boxes(), size, crops, st.floats(10.0, 1e5))
def test_oks_is_the_same_in_both_frames(box, image_size, options, area) -> None:
    affine = crop_affine(box, image_size, **options)[None]
    sigmas = torch.tensor([0.03, 0.08, 0.1])
    widths = oks_widths(torch.tensor([area]), sigmas, affine, image_size)
    target = torch.rand(1, 3, 2) - 0.5
    preds = target + 0.7 * widths * torch.randn(1, 3, 2)
    in_crop = torch.exp(-0.5 * ((preds - target) / widths).square().sum(-1))
    distance = crop_to_image(preds, affine, image_size) - crop_to_image(target, affine, image_size)
    in_image = torch.exp(-distance.square().sum(-1) / (2 * area * (2 * sigmas) ** 2))
    torch.testing.assert_close(in_crop, in_image, atol=1e-7, rtol=1e-6)
