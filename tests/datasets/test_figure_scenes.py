"""Synthetic people of all sizes in one picture."""

import math
import pickle

import numpy as np
import pytest
import torch

from poserior.datasets import CocoScenes, FigureScenes, write_scene_coco
from poserior.datasets.figures.cut_out import CutOut, cut_out, facing
from poserior.datasets.figures.placed import put
from poserior.errors import InputError


@pytest.fixture(scope="module")
def scenes() -> FigureScenes:
    return FigureScenes(length=120, seed=5, picture_size=(96, 112), pool=40)


def standing(turn: float) -> np.ndarray:
    """Shoulders and hips of a body three metres ahead, turned by `turn` radians from facing the camera."""
    joints = np.zeros((17, 3))
    for k, left, up in ((5, 0.2, 0.5), (6, -0.2, 0.5), (11, 0.12, 0.0), (12, -0.12, 0.0)):
        # Facing the camera, the person's left is to the picture's right; y points down.
        joints[k] = left * math.cos(turn), 0.25 - up, 3 + left * math.sin(turn)
    return joints


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 180, 300])
def test_facing_is_the_cosine_to_the_camera(degrees) -> None:
    turn = math.radians(degrees)
    assert facing(standing(turn)) == pytest.approx(math.cos(turn), abs=1e-9)


def test_facing_counts_from_where_the_person_stands() -> None:
    aside = standing(0.0) + np.array([3.0, 0.0, 0.0])  # parallel to the picture, but seen at 45 degrees
    assert facing(aside) == pytest.approx(math.sqrt(0.5), abs=1e-9)
    assert facing(np.zeros((17, 3))) == 0.0


def test_facing_agrees_with_the_order_of_the_shoulders_in_the_picture() -> None:
    people = [cut_out(3, number, 96) for number in range(60)]
    clear = [person for person in people if abs(person.facing) > 0.3]
    assert len(clear) > 30
    fronts = 0
    for person in clear:
        points = person.keypoints
        left = points[[5, 11]].mean(0) - points[[6, 12]].mean(0)
        up = points[[5, 6]].mean(0) - points[[11, 12]].mean(0)
        assert np.sign(left[1] * up[0] - left[0] * up[1]) == np.sign(person.facing)
        fronts += person.facing > 0
    assert 0.25 < fronts / len(clear) < 0.75
    # Noses are seen from the front.
    assert np.mean([person.visibility[0] == 2 for person in people if person.facing > 0.6]) > 0.7
    assert np.mean([person.visibility[0] == 2 for person in people if person.facing < -0.6]) < 0.1


def test_a_scene_follows_from_seed_and_index_alone(scenes) -> None:
    again = pickle.loads(pickle.dumps(FigureScenes(length=120, seed=5, picture_size=(96, 112), pool=40)))
    for index in (7, 3, -113):
        one, two = scenes[index], again[index]
        assert torch.equal(one.image, two.image)
        assert torch.equal(one.keypoints, two.keypoints)
    assert torch.equal(scenes[-113].image, scenes[7].image)
    assert not torch.equal(FigureScenes(120, 6, (96, 112), pool=40)[7].image, scenes[7].image)
    with pytest.raises(IndexError):
        scenes[120]


def test_records(scenes) -> None:
    heights, counts, hidden = [], [], 0
    for index in range(len(scenes)):
        scene = scenes[index]
        assert scene.image.shape == (96, 112, 3)
        counts.append(len(scene.box_xyxy))
        heights += scene.facts["height"].tolist()
        box, points, shown = scene.box_xyxy, scene.keypoints, scene.visibility > 0
        assert (box[:, 2:] > box[:, :2]).all()
        assert (box >= 0).all()
        assert (box <= torch.tensor([112.0, 96.0, 112.0, 96.0])).all()
        held = ((points >= box[:, None, :2] - 1e-3) & (points <= box[:, None, 2:] + 1e-3)).all(-1)
        assert held[shown].all()
        assert (points[~shown] == 0).all()
        assert (scene.area <= (box[:, 2:] - box[:, :2]).prod(1)).all()
        assert (scene.area >= 4).all()
        assert len(set(scene.annotation_id.tolist())) == len(box)
        hidden += int((scene.visibility == 1).sum())
    assert (min(counts), max(counts)) == (1, 4)
    assert hidden > 100
    # From a tenth to nine tenths of the picture's height, as many below the geometric mean as above.
    assert min(heights) < 0.14 * 96
    assert 0.7 * 96 < max(heights) <= 0.9 * 96 + 1
    assert 0.35 < np.mean(np.array(heights) < 0.3 * 96) < 0.7


def figure(side: int = 20) -> CutOut:
    """A white square with all keypoints but one at its middle."""
    points = np.full((17, 2), side / 2)
    points[0] = 1.0, 1.0
    return CutOut(
        np.full((side, side, 4), 255, np.uint8), np.full((side, side), 255, np.uint8), points, np.full(17, 2), 0.5
    )


def test_who_stands_behind_is_hidden_there() -> None:
    taken = np.zeros((40, 60), np.bool_)
    taken[:, :30] = True
    rng = np.random.default_rng(0)
    partly = 0
    for _ in range(40):
        placed = put(rng, figure(), 0.5, taken, 0.0)
        assert placed is not None
        left = placed.where[1].start
        seen = 20 - max(0, 30 - left)
        assert placed.area == 20 * seen >= 0.35 * 400
        assert placed.height == 20
        assert placed.keypoints[1].tolist() == [left + 10, placed.where[0].start + 10]
        assert placed.visibility[1] == (1 if left + 10 < 30 else 2)
        assert placed.visibility[0] == (1 if left + 1 < 30 else 2)
        assert placed.box_xyxy[2] == left + 20
        assert placed.box_xyxy[0] == (left if left >= 30 else left + 1)  # the hidden nose counts for the box
        partly += left < 30
    assert partly > 0
    assert put(rng, figure(), 0.5, np.ones((40, 60), np.bool_), 0.0) is None


def test_who_stands_partly_outside_has_fewer_labels() -> None:
    rng, cut = np.random.default_rng(1), 0
    for _ in range(60):
        placed = put(rng, figure(), 0.5, np.zeros((40, 60), np.bool_), 1.0)
        assert placed is not None
        assert (placed.box_xyxy >= 0).all()
        assert (placed.box_xyxy <= [60, 40, 60, 40]).all()
        x, y = placed.keypoints[0]
        inside = 0 < x < 60 and 0 < y < 40
        assert placed.visibility[0] == (2 if inside else 0)
        cut += not inside
    assert cut > 5


def test_written_and_read_again(scenes, tmp_path) -> None:
    few = FigureScenes(length=4, seed=5, picture_size=(96, 112), pool=40)
    path = write_scene_coco(few, tmp_path)
    read = CocoScenes(path, tmp_path / "images", "coco17")
    assert len(read) == 4
    for index in range(4):
        one, two = few[index], read[index]
        assert torch.equal(one.image, two.image)
        assert torch.equal(one.visibility, two.visibility)
        torch.testing.assert_close(two.keypoints, one.keypoints, atol=1e-3, rtol=0)
        torch.testing.assert_close(two.box_xyxy, one.box_xyxy, atol=2e-3, rtol=0)
        assert torch.equal(one.area, two.area)
        torch.testing.assert_close(two.facts["facing"], one.facts["facing"], atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="'png' or 'jpg', found 'gif'"):
        write_scene_coco(few, tmp_path, "gif")


def test_wrong_arguments_are_told() -> None:
    for wrong, message in (
        ({"people": (3, 2)}, "people as"),
        ({"scales": (0.0, 0.5)}, "scales as"),
        ({"picture_size": (16, 64)}, "at least 32 x 32"),
        ({"pool": 0}, "pool of FigureScenes to be at least 1, found 0"),
        ({"truncation": 1.5}, "truncation from 0 to 1"),
    ):
        with pytest.raises(InputError, match=message):
            FigureScenes(**wrong)
