"""Coloured shapes on a textured background."""

import numpy as np
import pytest
import torch

from poserior.datasets import CocoScenes, SimpleObjects, write_scene_coco
from poserior.errors import InputError


def test_a_scene_follows_from_seed_and_index_alone() -> None:
    one, two = SimpleObjects(9, 1), SimpleObjects(20, 1)
    assert torch.equal(one[4].image, two[4].image)
    assert torch.equal(one[4].box_xyxy, two[4].box_xyxy)
    assert torch.equal(one[-5].image, one[4].image)
    assert not torch.equal(SimpleObjects(9, 2)[4].image, one[4].image)
    with pytest.raises(IndexError):
        one[9]


def test_records() -> None:
    scenes = SimpleObjects(150, 3, (80, 100))
    counts, sizes, categories = [], [], set()
    for index in range(len(scenes)):
        scene = scenes[index]
        box = scene.box_xyxy
        assert scene.image.shape == (80, 100, 3)
        assert (box >= 0).all()
        assert (box <= torch.tensor([100.0, 80.0, 100.0, 80.0])).all()
        sides = box[:, 2:] - box[:, :2]
        assert (sides > 0).all()
        assert (scene.area <= (sides + 1).prod(1)).all()
        counts.append(len(box))
        sizes += sides.prod(1).sqrt().tolist()
        categories |= set(scene.category.tolist())
    assert (min(counts), max(counts)) >= (1, 6)
    assert max(counts) <= 8
    assert categories == {0, 1, 2, 3}
    assert min(sizes) < 10 < 50 < max(sizes)


@pytest.mark.parametrize("category", range(4))
def test_boxes_touch_their_shapes(category) -> None:
    scenes = SimpleObjects(200, 0, (128, 128), count=(1, 1), sizes=(20, 60))
    shares, checked = [], 0
    for index in range(len(scenes)):
        scene = scenes[index]
        x0, y0, x1, y1 = scene.box_xyxy[0].tolist()
        if int(scene.category[0]) != category or min(x0, y0) <= 0 or max(x1, y1) >= 128:
            continue
        picture = scene.image.numpy().astype(int)
        # The shape's colour is known where all four kinds have it: at the box's middle.
        colour = picture[int((y0 + y1) / 2), int((x0 + x1) / 2)]
        like = (np.abs(picture - colour).max(-1) <= 12)[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
        rows, columns = np.flatnonzero(like.any(1)), np.flatnonzero(like.any(0))
        assert rows[0] <= 2
        assert columns[0] <= 2
        assert rows[-1] >= like.shape[0] - 3
        assert columns[-1] >= like.shape[1] - 3
        shares.append(float(scene.area[0]) / ((x1 - x0) * (y1 - y0)))
        checked += 1
    assert checked > 10
    # A star of ten corners at radii 1 and 0.42: 2.1 sin(36) over 2 sin(72) (1 + cos(36)).
    expected = (np.pi / 4, 1.0, 0.5, 0.359)[category]
    assert np.mean(shares) == pytest.approx(expected, rel=0.12)


def test_the_hidden_are_not_there() -> None:
    crowded = SimpleObjects(40, 0, count=(30, 30), sizes=(30, 60))
    for index in range(len(crowded)):
        scene = crowded[index]
        sides = scene.box_xyxy[:, 2:] - scene.box_xyxy[:, :2]
        assert (scene.area >= 0.3 * 0.25 * 0.5 * sides.prod(1)).all()
        assert len(sides) < 30


def test_written_and_read_again(tmp_path) -> None:
    few = SimpleObjects(3, 4, (40, 60), sizes=(6, 30))
    read = CocoScenes(write_scene_coco(few, tmp_path), tmp_path / "images")
    assert read.categories == ("disc", "rectangle", "triangle", "star")
    for index in range(3):
        assert torch.equal(read[index].image, few[index].image)
        assert torch.equal(read[index].category, few[index].category)
        torch.testing.assert_close(read[index].box_xyxy, few[index].box_xyxy, atol=2e-3, rtol=0)


def test_wrong_arguments_are_told() -> None:
    for wrong, message in (
        ({"count": (0, 3)}, "count as"),
        ({"sizes": (1, 9)}, "sizes as"),
        ({"aspects": (2.0, 0.5)}, "aspects as"),
        ({"picture_size": (4, 64)}, "shorter side of SimpleObjects to be at least 8, found 4"),
        ({"length": -1}, "length"),
    ):
        with pytest.raises(InputError, match=message):
            SimpleObjects(**wrong)
