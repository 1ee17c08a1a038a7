import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior.dense.targets import bumps, by_category, dense_targets, gaussian_radius
from poserior.scenes import SceneBatch


def batch(
    boxes: list[list[list[float]]],
    category: list[list[int]] | None = None,
    keypoints: torch.Tensor | None = None,
    visibility: torch.Tensor | None = None,
    crowd: list[list[list[float]]] | None = None,
    size: tuple[int, int] = (32, 48),
) -> SceneBatch:
    box_xyxy = torch.tensor(boxes)
    count, objects = box_xyxy.shape[:2]
    return SceneBatch(
        images=torch.zeros(count, 3, *size, dtype=torch.uint8),
        box_xyxy=box_xyxy,
        category=torch.zeros(count, objects, dtype=torch.long) if category is None else torch.tensor(category),
        keypoints=torch.zeros(count, objects, 0, 2) if keypoints is None else keypoints,
        visibility=torch.zeros(count, objects, 0, dtype=torch.long) if visibility is None else visibility,
        area=torch.ones(count, objects),
        annotation_id=torch.zeros(count, objects, dtype=torch.long),
        present=torch.ones(count, objects, dtype=torch.bool),
        crowd_xyxy=torch.zeros(count, 0, 4) if crowd is None else torch.tensor(crowd),
        affine=torch.eye(2, 3, dtype=torch.float64).expand(count, 2, 3),
        image_id=tuple(range(count)),
        original_size=(size,) * count,
    )


def test_an_object_is_learnt_in_the_cell_of_its_centre_relative_to_that_cells_centre() -> None:
    # Stride 4: the box's centre (23, 13) is (5.75, 3.25) on the 8 x 12 grid, in cell (5, 3), number 3 * 12 + 5.
    target = dense_targets(batch([[[16.0, 8.0, 30.0, 18.0]]]), num_categories=1, stride=4)
    assert target.heat.shape == (1, 1, 8, 12)
    assert target.cell.tolist() == [[41]]
    assert target.offset.tolist() == [[[0.25, -0.25]]]
    assert target.size.tolist() == [[[3.5, 2.5]]]
    assert target.heat[0, 0, 3, 5] == 1
    assert (target.heat == 1).sum() == 1


def test_points_are_relative_to_the_objects_cell_and_their_own_offsets_to_their_own_cells() -> None:
    keypoints = torch.tensor([[[[23.0, 13.0], [6.0, 31.0], [50.0, 5.0], [7.0, 7.0]]]])
    visibility = torch.tensor([[[2, 1, 2, 0]]])
    target = dense_targets(
        batch([[[16.0, 8.0, 30.0, 18.0]]], keypoints=keypoints, visibility=visibility), num_categories=1, stride=4
    )
    assert target.labelled.tolist() == [[[True, True, True, False]]]
    assert target.keypoint_inside.tolist() == [[[True, True, False, False]]]  # x = 50 is beyond the picture
    assert target.points[0, 0].tolist() == [[0.25, -0.25], [-4.0, 4.25], [7.0, -2.25], [0.0, 0.0]]
    assert target.keypoint_cell[0, 0, :2].tolist() == [41, 7 * 12 + 1]
    assert target.keypoint_offset[0, 0, :2].tolist() == [[0.25, -0.25], [0.0, 0.25]]
    assert [(target.keypoint_heat[0, k] == 1).sum().item() for k in range(4)] == [1, 1, 0, 0]


def test_objects_without_extent_or_with_their_centre_outside_are_not_present() -> None:
    boxes = [[[4.0, 4.0, 4.0, 20.0], [-40.0, 0.0, 10.0, 9.0], [0.0, 0.0, 6.0, 6.0], [44.0, 28.0, 52.0, 36.0]]]
    target = dense_targets(batch(boxes), num_categories=1, stride=4)
    assert target.present.tolist() == [[False, False, True, False]]  # (48, 32) is the picture's far corner
    assert (target.heat == 1).sum() == 1
    assert torch.isfinite(target.offset).all()


def test_nothing_counts_in_a_crowd_except_a_labelled_centre() -> None:
    target = dense_targets(
        batch([[[0.0, 0.0, 8.0, 8.0]]], crowd=[[[0.0, 0.0, 24.0, 16.0], [0.0, 0.0, 0.0, 0.0]]]), 1, stride=4
    )
    expected = torch.ones(8, 12)
    expected[:4, :6] = 0
    expected[1, 1] = 1
    assert torch.equal(target.counts[0, 0], expected)


@pytest.mark.parametrize(("width", "height"), [(20.0, 10.0), (3.0, 40.0)])
def test_the_radius_solves_its_equation(width: float, height: float) -> None:
    r = gaussian_radius(torch.tensor([width, height], dtype=torch.float64)).item()
    assert r > 0
    assert r**2 + 2 * 0.7 * (width + height) * r == pytest.approx(4 * 0.7 * 0.3 * width * height)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_heat_is_the_highest_bump_of_its_category(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, objects, categories, height, width = 2, 4, 3, 7, 11
    cell = np.stack([rng.integers(0, width, (count, objects)), rng.integers(0, height, (count, objects))], -1)
    radius, category = rng.integers(-1, 4, (count, objects)), rng.integers(0, categories, (count, objects))
    expected = np.zeros((count, categories, height, width))
    for b, n in np.ndindex(count, objects):
        for y, x in np.ndindex(height, width):
            dx, dy, r = x - cell[b, n, 0], y - cell[b, n, 1], radius[b, n]
            if r >= 0 and max(abs(dx), abs(dy)) <= r:
                value = math.exp(-(dx**2 + dy**2) / (2 * ((2 * r + 1) / 6) ** 2))
                expected[b, category[b, n], y, x] = max(expected[b, category[b, n], y, x], value)
    heat = by_category(
        bumps(torch.from_numpy(cell).double(), torch.from_numpy(radius).double(), height, width),
        torch.from_numpy(category),
        categories,
    )
    np.testing.assert_allclose(heat.numpy(), expected, atol=1e-12)


def test_a_picture_without_objects_asks_for_nothing_but_emptiness() -> None:
    target = dense_targets(batch([[[0.0, 0.0, 0.0, 0.0]]]), num_categories=2, stride=4)
    assert not target.present.any()
    assert target.heat.sum() == 0
    assert target.counts.sum() == 2 * 8 * 12


def test_without_refinement_only_the_keypoint_heat_is_left_out() -> None:
    keypoints, visibility = torch.tensor([[[[23.0, 13.0], [6.0, 31.0]]]]), torch.tensor([[[2, 1]]])
    pictures = batch([[[16.0, 8.0, 30.0, 18.0]]], keypoints=keypoints, visibility=visibility)
    full, lean = dense_targets(pictures, 1, stride=4), dense_targets(pictures, 1, stride=4, refine=False)
    assert lean.keypoint_heat is None
    for name, value in vars(full).items():
        assert name == "keypoint_heat" or torch.equal(getattr(lean, name), value), name
