"""Whole pictures: where boxes, keypoints and crowds go."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from poserior import skeletons
from poserior.errors import InputError
from poserior.scenes import Scene
from poserior.transforms import SceneAugment, SceneTransform

COCO = skeletons.load("coco17")
STILL = SceneAugment(scale=(1.0, 1.0), shift=0.0, flip=0.0, colour=0.0)


def scene(image: np.ndarray, boxes: list[list[float]], crowds: list[list[float]] = []) -> Scene:  # noqa: B006
    """People with their 17 keypoints at the boxes' centres, the last one unlabelled."""
    box = torch.tensor(boxes).reshape(-1, 4)
    count = len(box)
    points = ((box[:, :2] + box[:, 2:]) / 2)[:, None].repeat(1, 17, 1)
    visibility = torch.full((count, 17), 2)
    points[:, 16], visibility[:, 16] = 0, 0
    return Scene(
        image=torch.from_numpy(image),
        box_xyxy=box,
        category=torch.arange(count) % 2,
        keypoints=points,
        visibility=visibility,
        area=torch.arange(count) * 10.0 + 5,
        annotation_id=torch.arange(count) + 7,
        crowd_xyxy=torch.tensor(crowds).reshape(-1, 4),
        categories=("person", "dog"),
        skeleton=COCO,
        image_id=3,
        original_size=(image.shape[0], image.shape[1]),
        facts={"facing": torch.arange(count) - 0.5},
    )


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 100, np.uint8)


def test_the_whole_picture_with_bars() -> None:
    given_scene = scene(grey(10, 20), [[2.0, 1.0, 6.0, 9.0]], [[0.0, 0.0, 20.0, 3.0]])
    moved = SceneTransform((40, 40))(given_scene)
    assert moved.affine is not None
    assert moved.affine.tolist() == [[2.0, 0.0, 0.0], [0.0, 2.0, 10.0]]
    assert moved.box_xyxy.tolist() == [[4.0, 12.0, 12.0, 28.0]]
    assert moved.crowd_xyxy.tolist() == [[0.0, 10.0, 40.0, 16.0]]
    assert moved.keypoints[0, 0].tolist() == [8.0, 20.0]
    assert moved.keypoints[0, 16].tolist() == [0.0, 0.0]
    assert moved.visibility.tolist() == [[2] * 16 + [0]]
    assert (moved.image[:9] == 0).all()
    assert (moved.image[31:] == 0).all()
    assert (moved.image[12:28, 1:39] == 100).all()
    assert (moved.area.tolist(), moved.original_size, moved.image_id) == ([5.0], (10, 20), 3)


def test_the_own_size_filled_up() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (33, 70, 3), np.uint8)
    moved = SceneTransform(None)(scene(picture, [[0.0, 2.0, 70.0, 33.0]]))
    assert moved.image.shape == (64, 96, 3)
    assert np.array_equal(moved.image.numpy()[15:48, 13:83], picture)
    assert int(moved.image.sum()) == int(picture.sum())
    assert moved.box_xyxy.tolist() == [[13.0, 17.0, 83.0, 48.0]]
    assert SceneTransform(None, multiple=1)(scene(picture, [])).image.shape == (33, 70, 3)


def test_what_leaves_the_window() -> None:
    # The window is [25, 75] x [25, 75], shown twice as large.
    boxes = [
        [40.0, 40.0, 60.0, 80.0],  # inside but for its foot
        [10.0, 40.0, 30.0, 60.0],  # its centre is outside
        [0.0, 0.0, 20.0, 20.0],  # all of it is outside
        [50.0, 50.0, 50.0, 60.0],  # no extent
        [20.0, 30.0, 34.0, 70.0],  # its centre is just inside
    ]
    augment = replace(STILL, scale=(0.5, 0.5))
    whole = scene(grey(100, 100), boxes, [[0.0, 0.0, 30.0, 40.0], [80.0, 0.0, 90.0, 9.0]])
    moved = SceneTransform((100, 100), augment)(whole, np.random.default_rng(0))
    assert moved.annotation_id.tolist() == [7, 11]
    assert moved.box_xyxy.tolist() == [[30.0, 30.0, 70.0, 100.0], [0.0, 10.0, 18.0, 90.0]]
    assert moved.area.tolist() == [5.0, 45.0]
    assert moved.category.tolist() == [0, 0]
    assert moved.facts["facing"].tolist() == [-0.5, 3.5]
    # First the crowd that is left, then what is left of the second person.
    assert moved.crowd_xyxy.tolist() == [[0.0, 0.0, 10.0, 30.0], [0.0, 30.0, 10.0, 70.0]]


def test_keypoints_outside_are_not_labelled() -> None:
    whole = scene(grey(100, 100), [[30.0, 30.0, 70.0, 70.0]])
    whole.keypoints[0, 0] = torch.tensor([20.0, 50.0])
    whole.keypoints[0, 1] = torch.tensor([26.0, 50.0])
    moved = SceneTransform((100, 100), replace(STILL, scale=(0.5, 0.5)))(whole, np.random.default_rng(0))
    assert moved.visibility[0, :3].tolist() == [0, 2, 2]
    assert moved.keypoints[0, :3].tolist() == [[0.0, 0.0], [2.0, 50.0], [50.0, 50.0]]


def test_mirrored_once_and_twice() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (12, 12, 3), np.uint8)
    first = scene(picture, [[1.0, 2.0, 5.0, 9.0]], [[8.0, 0.0, 12.0, 3.0]])
    first.keypoints[0, 5] = torch.tensor([1.5, 2.5])
    first.visibility[0, 5] = 1
    mirror, rng = SceneTransform((12, 12), replace(STILL, flip=1.0)), np.random.default_rng(0)
    once = mirror(first, rng)
    assert np.array_equal(once.image.numpy(), picture[:, ::-1])
    assert once.box_xyxy.tolist() == [[7.0, 2.0, 11.0, 9.0]]
    assert once.crowd_xyxy.tolist() == [[0.0, 0.0, 4.0, 3.0]]
    assert once.keypoints[0, 6].tolist() == [10.5, 2.5]  # the left shoulder has become the right one
    assert once.visibility[0, 5:7].tolist() == [2, 1]
    twice = mirror(once, rng)
    for name in ("image", "box_xyxy", "keypoints", "visibility", "crowd_xyxy", "area"):
        assert torch.equal(getattr(twice, name), getattr(first, name)), name
    assert twice.affine is not None
    assert twice.affine.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(30, 90), st.integers(30, 90))
def test_a_keypoint_follows_a_painted_dot(seed, height, width) -> None:
    rng = np.random.default_rng(seed)
    x, y = int(rng.integers(6, width - 6)), int(rng.integers(6, height - 6))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y - 2 : y + 2, x - 2 : x + 2] = 255
    dot = scene(picture, [[x - 2.0, y - 2.0, x + 2.0, y + 2.0]])
    dot.visibility[:] = 0
    dot.visibility[0, 9] = 1
    moved = SceneTransform((72, 64), SceneAugment(rotation=30.0, colour=0.0))(dot, rng)
    seen = moved.image.numpy()[..., 0].astype(float)
    edge = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
    assume(seen.any() and not edge.any())  # neither cut nor out of sight
    rows, columns = np.indices(seen.shape) + 0.5
    found = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum()
    assert moved.affine is not None
    wrist = 10 if torch.linalg.det(moved.affine[:, :2]) < 0 else 9
    assert moved.visibility[0].nonzero().tolist() == [[wrist]]
    np.testing.assert_allclose(moved.keypoints[0, wrist].numpy(), found, atol=0.3)
    expected = moved.affine[:, :2] @ torch.tensor([x, y]).double() + moved.affine[:, 2]
    np.testing.assert_allclose(moved.keypoints[0, wrist].numpy(), expected.numpy(), atol=1e-4)
    x0, y0, x1, y1 = moved.box_xyxy[0].tolist()
    bright = np.argwhere(seen > 128)
    assert x0 - 1 <= bright[:, 1].min() <= bright[:, 1].max() + 1 <= x1 + 1
    assert y0 - 1 <= bright[:, 0].min() <= bright[:, 0].max() + 1 <= y1 + 1


def test_maps_are_composed() -> None:
    rng = np.random.default_rng(5)
    first = scene(grey(50, 40), [[15.0, 20.0, 25.0, 30.0]])
    augment = SceneAugment(scale=(0.9, 1.2), shift=0.1, rotation=20.0, colour=0.0)
    one = SceneTransform((64, 48), augment)(first, rng)
    two = SceneTransform((80, 96))(one)
    assert two.affine is not None
    mapped = two.affine[:, :2] @ torch.tensor([20.0, 25.0]).double() + two.affine[:, 2]
    np.testing.assert_allclose(two.keypoints[0, 0].numpy(), mapped.numpy(), atol=1e-3)
    assert two.original_size == (50, 40)


@pytest.mark.parametrize("side", [(1, 1), (1, 8), (2, 1), (3, 5), (8, 8)])
def test_tiny_pictures(side) -> None:
    height, width = side
    tiny = scene(grey(height, width), [[0.0, 0.0, float(width), float(height)]], [[0.0, 0.0, 1.0, 1.0]])
    whole = SceneTransform((32, 64))(tiny)
    zoom = min(32 / height, 64 / width)
    sides = whole.box_xyxy[0, 2:] - whole.box_xyxy[0, :2]
    np.testing.assert_allclose(sides.numpy(), [width * zoom, height * zoom], rtol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = SceneTransform((32, 64), SceneAugment(rotation=10.0))(tiny, rng)
        assert moved.image.shape == (32, 64, 3)
        assert (moved.box_xyxy >= 0).all()
        assert (moved.box_xyxy <= torch.tensor([64.0, 32.0, 64.0, 32.0])).all()
    assert SceneTransform(None)(tiny).image.shape == (32, 32, 3)


def test_a_picture_without_objects_and_one_without_keypoints() -> None:
    rng = np.random.default_rng(0)
    nobody = SceneTransform((16, 16), SceneAugment())(scene(grey(20, 30), []), rng)
    assert nobody.box_xyxy.shape == (0, 4)
    assert nobody.keypoints.shape == (0, 17, 2)
    boxes = replace(
        scene(grey(20, 30), [[5.0, 5.0, 25.0, 15.0]]),
        skeleton=None,
        keypoints=torch.zeros(1, 0, 2),
        visibility=torch.zeros(1, 0, dtype=torch.int64),
    )
    moved = SceneTransform((20, 30), replace(STILL, flip=1.0))(boxes, rng)
    assert moved.keypoints.shape == (1, 0, 2)
    assert moved.box_xyxy.tolist() == [[5.0, 5.0, 25.0, 15.0]]


def test_colour_changes_with_the_strength() -> None:
    plain = scene(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8), [])
    same = SceneTransform((16, 16), STILL)(plain, np.random.default_rng(0))
    assert torch.equal(same.image, plain.image)
    other = SceneTransform((16, 16), replace(STILL, colour=0.3))(plain, np.random.default_rng(0))
    assert not torch.equal(other.image, plain.image)


def test_wrong_numbers_are_told() -> None:
    with pytest.raises(InputError, match="flip of SceneAugment from 0 to 1, found 2"):
        SceneAugment(flip=2.0)
    with pytest.raises(InputError, match="scale as"):
        SceneAugment(scale=(1.4, 0.6))
    with pytest.raises(InputError, match="image_size for random changes"):
        SceneTransform(None, SceneAugment())
    with pytest.raises(InputError, match="positive picture size"):
        SceneTransform((0, 5))
    with pytest.raises(ValueError, match="random generator"):
        SceneTransform((8, 8), SceneAugment())(scene(grey(9, 9), []))
