"""Scenes to batches, and data sets of transformed scenes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from poserior import skeletons
from poserior.scenes import Scene
from poserior.transforms import SceneAugment, SceneItems, SceneTransform, collate_scenes

COCO = skeletons.load("coco17")


def scene(count: int, image_id: int = 0, height: int = 20, width: int = 30, crowds: int = 0) -> Scene:
    """Boxes of 2 x 3 pixels side by side; the first has the largest area."""
    corner = torch.arange(count)[:, None] * 3.0
    picture = np.random.default_rng(image_id).integers(0, 256, (height, width, 3), np.uint8)
    return Scene(
        image=torch.from_numpy(picture),
        box_xyxy=torch.cat([corner, corner * 0 + 1, corner + 2, corner * 0 + 4], 1),
        category=torch.arange(count),
        keypoints=torch.arange(count * 34.0).reshape(count, 17, 2) * 0.1,
        visibility=torch.full((count, 17), 2),
        area=10.0 * (count - torch.arange(count)),
        annotation_id=torch.arange(count) + 100 * image_id,
        crowd_xyxy=torch.tensor([[2.0, 2.0, 4.0, 5.0]] * crowds).reshape(-1, 4),
        categories=("a", "b", "c", "d", "e", "f"),
        skeleton=COCO,
        image_id=image_id,
        original_size=(height, width),
        facts={"facing": torch.arange(count) / 10},
    )


def whole(*scenes: Scene) -> list[Scene]:
    return [SceneTransform((20, 30))(one) for one in scenes]


def test_values() -> None:
    scenes = whole(scene(2, 4, crowds=1), scene(0, 5), scene(3, 6))
    batch = collate_scenes(scenes)
    assert batch.images.shape == (3, 3, 20, 30)
    assert torch.equal(batch.images[2], scenes[2].image.permute(2, 0, 1))
    assert batch.present.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert batch.box_xyxy[0].tolist() == [[0, 1, 2, 4], [3, 1, 5, 4], [0, 0, 0, 0]]
    assert batch.category.tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 2]]
    assert torch.equal(batch.keypoints[2], scenes[2].keypoints)
    assert batch.visibility[:, :, 3].tolist() == [[2, 2, 0], [0, 0, 0], [2, 2, 2]]
    assert batch.area.tolist() == [[20, 10, 0], [0, 0, 0], [30, 20, 10]]
    assert batch.annotation_id.tolist() == [[400, 401, 0], [0, 0, 0], [600, 601, 602]]
    assert batch.crowd_xyxy.tolist() == [[[2, 2, 4, 5]], [[0] * 4], [[0] * 4]]
    assert batch.affine.tolist() == [[[1, 0, 0], [0, 1, 0]]] * 3
    assert batch.image_id == (4, 5, 6)
    assert batch.original_size == ((20, 30),) * 3
    torch.testing.assert_close(batch.facts["facing"], torch.tensor([[0, 0.1, 0], [0, 0, 0], [0, 0.1, 0.2]]))


def test_nobody_at_all_leaves_one_empty_place() -> None:
    batch = collate_scenes(whole(scene(0), scene(0)))
    assert batch.present.tolist() == [[False], [False]]
    assert batch.keypoints.shape == (2, 1, 17, 2)
    assert batch.crowd_xyxy.shape == (2, 0, 4)


def test_of_too_many_the_largest_stay() -> None:
    many = scene(5)
    many = replace(many, area=torch.tensor([3.0, 9.0, 1.0, 9.0, 4.0]))
    batch = collate_scenes(whole(many, scene(1)), max_objects=3)
    assert batch.annotation_id.tolist() == [[1, 3, 4], [0, 0, 0]]
    assert batch.present.tolist() == [[True] * 3, [True, False, False]]
    # The small ones are nobody's mistake.
    assert batch.crowd_xyxy.tolist() == [[[0, 1, 2, 4], [6, 1, 8, 4]], [[0] * 4, [0] * 4]]


def test_a_fact_that_a_picture_lacks_is_not_a_number() -> None:
    batch = collate_scenes(whole(scene(1), replace(scene(2), facts={})))
    assert batch.facts["facing"][0].tolist() == [0.0, 0.0]
    assert batch.facts["facing"][1].isnan().all()


def test_what_does_not_fit_together() -> None:
    with pytest.raises(ValueError, match="not transformed"):
        collate_scenes([scene(1)])
    with pytest.raises(ValueError, match="sizes"):
        collate_scenes([SceneTransform((8, 8))(scene(1)), SceneTransform((8, 16))(scene(1))])
    with pytest.raises(ValueError, match="expected transformed pictures"):
        collate_scenes([])


def test_items_depend_on_seed_epoch_and_index_alone() -> None:
    scenes = [scene(2, number) for number in range(3)]
    transform = SceneTransform((24, 16), SceneAugment())
    items, again = SceneItems(scenes, transform, seed=3), SceneItems(scenes, transform, seed=3)
    assert len(items) == 3
    first = items[1]
    assert torch.equal(again[1].image, first.image)
    assert torch.equal(pickle.loads(pickle.dumps(again))[-2].image, first.image)
    assert not torch.equal(items[0].affine, first.affine)
    assert not torch.equal(SceneItems(scenes, transform, seed=4)[1].affine, first.affine)
    items.set_epoch(1)
    assert items.epoch == 1
    assert not torch.equal(items[1].affine, first.affine)
    with pytest.raises(IndexError):
        items[3]
    plain = SceneItems(scenes, SceneTransform((24, 16)))
    before = plain[2].image
    plain.set_epoch(5)
    assert torch.equal(plain[2].image, before)


def test_lasting_workers_see_the_next_epoch() -> None:
    items = SceneItems([scene(2, number) for number in range(4)], SceneTransform((24, 16), SceneAugment()))
    loader = DataLoader(items, 2, num_workers=1, persistent_workers=True, collate_fn=collate_scenes)
    epochs = []
    for epoch in range(2):
        items.set_epoch(epoch)
        images = torch.cat([batch.images for batch in loader])
        assert torch.equal(images, torch.cat([b.images for b in DataLoader(items, 2, collate_fn=collate_scenes)]))
        epochs.append(images)
    assert not torch.equal(*epochs)
