import pytest
import torch

from poserior.errors import InputError
from poserior.training import Data, Loader
from poserior.training.data import Order
from poserior.transforms import Cropped, TopDown


def order(people, epoch=0, **options):
    crops = Cropped(people, TopDown((16, 12)))
    made = Order(crops, **options)
    made.set_epoch(epoch)
    return list(made)


def test_every_epoch_has_its_own_permutation(dots):
    people = dots(11)
    first, second = order(people, shuffle=True, seed=3), order(people, 1, shuffle=True, seed=3)
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second
    assert first == order(people, shuffle=True, seed=3)
    assert first != order(people, shuffle=True, seed=4)


def test_processes_share_an_epoch(dots):
    shares = [order(dots(7), shuffle=True, seed=1, rank=rank, world=3) for rank in range(3)]
    assert [len(share) for share in shares] == [3, 3, 3]
    assert {index for share in shares for index in share} == set(range(7))


def test_batches_are_the_same_with_and_without_workers(dots):
    found = []
    for workers in (0, 1):
        data = Data(dots(6), None, (32, 24), 1.25, Loader(batch_size=3, workers=workers), seed=5)
        loader = data.train_dataloader()
        epochs = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            epochs.append([images for images, _ in loader])
        found.append(epochs)
    for epoch in range(2):
        for alone, helped in zip(found[0][epoch], found[1][epoch], strict=True):
            torch.testing.assert_close(alone, helped, rtol=0, atol=0)
    assert not torch.equal(found[0][0][0], found[0][1][0])


def test_last_batch_is_left_out_unless_it_is_the_only_one(dots):
    sizes = {}
    for length in (3, 7):
        data = Data(dots(length), dots(length), (32, 24), 1.25, Loader(batch_size=4, workers=0))
        sizes[length] = (
            [len(images) for images, _ in data.train_dataloader()],
            [len(images) for images, _ in data.val_dataloader()],
        )
    assert sizes == {3: ([3], [3]), 7: ([4], [4, 3])}


def test_augmentation_can_be_told_and_switched_off(dots):
    plain = Data(dots(4), None, (32, 24), 1.25, Loader(batch_size=4, workers=0, augment=False))
    mirrored = Data(
        dots(4),
        None,
        (32, 24),
        1.25,
        Loader(batch_size=4, workers=0),
        {"flip": 1.0, "rotation": 0.0, "scale": 0.0, "colour": 0.0, "occlusion": 0.0, "half_body": 0.0},
    )
    _, target = next(iter(plain.train_dataloader()))
    _, flipped = next(iter(mirrored.train_dataloader()))
    expected = target.keypoints[:, [1, 0, 2]] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(flipped.keypoints, expected, rtol=0, atol=1e-5)


def test_empty_and_disagreeing_sets_are_refused(dots):
    with pytest.raises(InputError, match="empty training set"):
        Data(dots(0), None, (32, 24), 1.25, Loader())
    other = dots(2)
    other.skeleton = type(other.skeleton)("others", ("a",), (), (), (0.1,))
    with pytest.raises(InputError, match="'dots' and 'others'"):
        Data(dots(2), other, (32, 24), 1.25, Loader())
