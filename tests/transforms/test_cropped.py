import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from poserior import skeletons
from poserior.structures import Sample
from poserior.transforms import Augment, Cropped, TopDown, collate

COCO = skeletons.load("coco17")


def people(count: int) -> list[Sample]:
    image = torch.randint(0, 256, (60, 50, 3), dtype=torch.uint8)
    points, visibility = torch.rand(17, 2) * 50, torch.full((17,), 2)
    box = torch.tensor([5.0, 6.0, 40.0, 55.0])
    return [Sample(image, points, visibility, box, 900.0, COCO, image_id=i, annotation_id=i) for i in range(count)]


def test_crops_depend_on_seed_epoch_and_index_alone() -> None:
    samples = people(3)
    crops = Cropped(samples, TopDown((24, 16), augment=Augment()), seed=3)
    again = Cropped(samples, TopDown((24, 16), augment=Augment()), seed=3)
    assert len(crops) == 3
    first = crops[1]
    assert torch.equal(again[1].crop, first.crop)
    assert torch.equal(again[-2].crop, first.crop)
    assert not torch.equal(crops[0].crop, first.crop)
    assert not torch.equal(Cropped(samples, crops.transform, seed=4)[1].crop, first.crop)
    crops.set_epoch(1)
    assert crops.epoch == 1
    assert not torch.equal(crops[1].crop, first.crop)
    crops.set_epoch(0)
    assert torch.equal(crops[1].image, first.image)
    with pytest.raises(IndexError):
        crops[3]


def test_without_augmentation_every_epoch_is_the_same() -> None:
    crops = Cropped(Subset(people(3), [2]), TopDown((24, 16)))
    first = crops[0]
    crops.set_epoch(5)
    assert torch.equal(crops[0].image, first.image)
    assert crops[0].image_id == 2


def test_lasting_workers_see_the_next_epoch_and_give_what_no_worker_gives() -> None:
    crops = Cropped(people(4), TopDown((24, 16), augment=Augment()))
    loader = DataLoader(crops, 2, num_workers=1, persistent_workers=True, collate_fn=collate)
    epochs = []
    for epoch in range(2):
        crops.set_epoch(epoch)
        images = torch.cat([images for images, _ in loader])
        assert torch.equal(images, torch.cat([images for images, _ in DataLoader(crops, 2, collate_fn=collate)]))
        epochs.append(images)
    assert not torch.equal(*epochs)


def test_it_can_be_copied_to_another_process() -> None:
    crops = pickle.loads(pickle.dumps(Cropped(people(1), TopDown((24, 16), augment=Augment()))))
    assert crops.epoch == 0
    assert crops[0].image.shape == (24, 16, 3)
