"""The one-pixel test: a white spot under a keypoint stays under it, whatever the transform does."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior import skeletons
from poserior.errors import InputError
from poserior.geometry import apply_affine, invert_affine
from poserior.structures import Sample
from poserior.transforms import Augment, TopDown

COCO = skeletons.load("coco17")
STILL = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "flip": 0.0, "half_body": 0.0, "colour": 0.0, "occlusion": 0.0}
OPTIONS = {
    "rotation": {"rotation": 80.0, "rotation_probability": 1.0},
    "scale": {"scale": 0.4},
    "shift": {"shift": 0.2},
    "flip": {"flip": 1.0},
    "half_body": {"half_body": 1.0},
    "colour": {"colour": 0.4},
    "occlusion": {"occlusion": 1.0},
    "everything": {
        "rotation": 45.0,
        "rotation_probability": 0.8,
        "scale": 0.25,
        "shift": 0.1,
        "flip": 0.5,
        "half_body": 0.5,
        "colour": 0.3,
        "occlusion": 0.5,
    },
}


def person(height: int = 150, width: int = 110, **changes: object) -> Sample:
    """A black picture; everything labelled, spread over the box, each keypoint at the centre of its own pixel."""
    generator = np.random.default_rng(5)
    box = (
        torch.tensor([20.0, 12.0, 91.0, 133.0])
        * torch.tensor([width, height, width, height])
        / torch.tensor([110.0, 150.0, 110.0, 150.0])
    )
    points = box[:2].numpy() + generator.uniform(0.05, 0.95, (17, 2)) * (box[2:] - box[:2]).numpy()
    content = {
        "image": torch.zeros(height, width, 3, dtype=torch.uint8),
        "keypoints": torch.tensor(np.floor(points) + 0.5, dtype=torch.float32),
        "visibility": torch.full((17,), 2),
        "box_xyxy": box,
        "area": 4000.0,
        "skeleton": COCO,
        "image_id": 7,
        "annotation_id": 3,
    }
    return Sample(**{**content, **changes})


def lit(sample: Sample, keypoint: int) -> Sample:
    """The sample with the 3 x 3 pixels about one keypoint white."""
    image = sample.image.clone()
    x, y = (int(value) for value in sample.keypoints[keypoint])
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return Sample(**{**sample.__dict__, "image": image})


def centroid(image: torch.Tensor, background: torch.Tensor) -> np.ndarray:
    weight = (image.double() - background.double()).abs().sum(-1).numpy()
    rows, columns = np.indices(weight.shape) + 0.5
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("option", OPTIONS)
def test_the_spot_stays_under_the_keypoint(option: str) -> None:
    top_down = TopDown((200, 144), augment=Augment(**{**STILL, **OPTIONS[option]}))
    bare = TopDown((200, 144), augment=Augment(**{**STILL, **OPTIONS[option], "occlusion": 0.0}))
    sample = person()
    checked = 0
    for draw in range(25):
        for keypoint in (0, 5, 14):
            marked = top_down(lit(sample, keypoint), np.random.default_rng((draw, keypoint)))
            # The same draws, the same crop: without the spot, and without an occluder, which is drawn last.
            black = top_down(sample, np.random.default_rng((draw, keypoint)))
            free = bare(lit(sample, keypoint), np.random.default_rng((draw, keypoint)))
            place = COCO.flip_indices[keypoint] if marked.flipped else keypoint
            x, y = marked.keypoints[place].tolist()
            if not (8 < x < 136 and 8 < y < 192):  # near the edge the spot is cut
                continue
            around = np.s_[int(y) - 7 : int(y) + 8, int(x) - 7 : int(x) + 8]
            if not torch.equal(marked.image[around], free.image[around]):  # the occluder hides a part of it
                continue
            assert marked.visibility[place] == 2
            np.testing.assert_allclose(centroid(marked.image, black.image), [x, y], atol=0.2)
            checked += 1
    assert checked > 25


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([(64, 48), (40, 72), (201, 150)]),
    source=st.sampled_from([(150, 110), (611, 417)]),
)
def test_the_spot_stays_at_any_size(seed: int, size: tuple[int, int], source: tuple[int, int]) -> None:
    # (611, 417) into (64, 48) shrinks by more than 10: the averaging before the warp must not move anything.
    sample = person(*source)
    x, y = (int(value) for value in sample.keypoints[3])
    image = sample.image.clone()
    image[y - 10 : y + 11, x - 10 : x + 11] = 255
    sample = Sample(**{**sample.__dict__, "image": image})
    augment = Augment(**{**STILL, "rotation": 60.0, "rotation_probability": 1.0, "flip": 0.5, "scale": 0.3})
    crop = TopDown(size, augment=augment)(sample, np.random.default_rng(seed))
    place = COCO.flip_indices[3] if crop.flipped else 3
    expected = crop.keypoints[place].numpy()
    zoom = float(torch.linalg.det(crop.crop[:, :2]).abs().sqrt())
    margin = 15 * zoom + 2
    if (expected > margin).all() and (expected < np.array(size[::-1]) - margin).all():
        np.testing.assert_allclose(centroid(crop.image, torch.zeros_like(crop.image)), expected, atol=0.2)


def test_a_crop_worked_by_hand() -> None:
    # A box of 40 x 20 into 60 x 80 pixels: grown to 40 x 30, padding 2 -> 80 x 60 about (50, 30): one to one.
    image = torch.arange(100 * 120 * 3, dtype=torch.int64).remainder(251).to(torch.uint8).reshape(100, 120, 3)
    sample = person(100, 120, image=image, box_xyxy=torch.tensor([30.0, 20.0, 70.0, 40.0]))
    crop = TopDown((60, 80), box_padding=2.0)(sample)
    torch.testing.assert_close(crop.crop, torch.tensor([[1.0, 0.0, -10.0], [0.0, 1.0, 0.0]], dtype=torch.float64))
    assert torch.equal(crop.image, image[0:60, 10:90])
    torch.testing.assert_close(crop.keypoints, sample.keypoints - torch.tensor([10.0, 0.0]))
    assert not crop.flipped


def test_a_flip_mirrors_pixels_and_exchanges_left_and_right() -> None:
    image = torch.randint(0, 256, (100, 120, 3), dtype=torch.uint8)
    visibility = torch.arange(17).remainder(3)
    sample = person(100, 120, image=image, box_xyxy=torch.tensor([30.0, 20.0, 70.0, 40.0]), visibility=visibility)
    crop = TopDown((60, 80), 2.0, Augment(**{**STILL, "flip": 1.0}))(sample, np.random.default_rng(0))
    assert crop.flipped
    assert torch.equal(crop.image, image[0:60, 10:90].flip(1))
    assert crop.visibility.tolist() == visibility[list(COCO.flip_indices)].tolist()
    left, right = COCO.index("left_wrist"), COCO.index("right_wrist")
    assert visibility[right] == 1
    x, y = sample.keypoints[right].tolist()
    assert crop.keypoints[left].tolist() == pytest.approx([80 - (x - 10), y])


def test_what_lies_outside_of_the_picture_is_black_and_unlabelled_keypoints_stay_zero() -> None:
    white = torch.full((40, 40, 3), 255, dtype=torch.uint8)
    sample = person(
        40, 40, image=white, box_xyxy=torch.tensor([0.0, 0.0, 40.0, 40.0]), visibility=torch.zeros(17).long()
    )
    crop = TopDown((80, 80), 2.0)(sample)
    assert crop.image[20:60, 20:60].float().mean() == 255
    assert crop.image[:19].max() == 0
    assert crop.image[:, 61:].max() == 0
    assert crop.keypoints.abs().max() == 0


def test_the_map_and_the_keypoints_agree() -> None:
    sample = person()
    augment = Augment(flip=0.0)
    crop = TopDown((64, 48), augment=augment)(sample, np.random.default_rng(1))
    back = apply_affine(invert_affine(crop.crop), crop.keypoints.double())
    torch.testing.assert_close(back, sample.keypoints.double(), atol=1e-4, rtol=0)


def test_keypoints_outside_of_the_crop_are_kept_unless_dropped() -> None:
    points = torch.full((17, 2), 50.0)
    points[4] = torch.tensor([109.0, 20.0])
    sample = person(keypoints=points, box_xyxy=torch.tensor([30.0, 30.0, 70.0, 70.0]))
    assert TopDown((50, 50))(sample).visibility.tolist() == [2] * 17
    dropped = TopDown((50, 50), drop_outside=True)(sample)
    assert dropped.visibility.tolist() == [2] * 4 + [0] + [2] * 12
    assert dropped.keypoints[4].tolist() == [0.0, 0.0]


def test_half_body_shows_one_half() -> None:
    # Upper keypoints in the upper part, lower ones in the lower: a half-body crop has all of one half inside.
    upper = torch.tensor([name in COCO.upper_body for name in COCO.keypoints])
    x = torch.where(upper, 10 + 5 * torch.arange(17.0), 10 + 8 * torch.arange(-11.0, 6.0))
    points = torch.stack([x, torch.where(upper, 20.0, 90.0) + torch.arange(17.0)], 1)
    sample = person(keypoints=points)
    top_down = TopDown((120, 90), augment=Augment(**{**STILL, "half_body": 1.0}))
    whole = TopDown((120, 90))(sample)
    seen = set()
    for seed in range(20):
        crop = top_down(sample, np.random.default_rng(seed))
        inside = ((crop.keypoints >= 0) & (crop.keypoints <= torch.tensor([90.0, 120.0]))).all(1)
        shown = "upper" if inside[upper].all() else "lower"
        assert inside[upper].all() or inside[~upper].all()
        assert not inside.all()
        assert crop.crop[0, 0] > whole.crop[0, 0]  # nearer
        seen.add(shown)
    assert seen == {"upper", "lower"}


@pytest.mark.parametrize("labelled", [0, 1, 8])
def test_half_body_needs_labels(labelled: int) -> None:
    visibility = torch.where(torch.arange(17) < labelled, 2, 0)
    sample = person(visibility=visibility)
    top_down = TopDown((120, 90), augment=Augment(**{**STILL, "half_body": 1.0}))
    torch.testing.assert_close(top_down(sample, np.random.default_rng(0)).crop, TopDown((120, 90))(sample).crop)


def test_occlusion_hides_what_it_says() -> None:
    white = torch.full((150, 110, 3), 255, dtype=torch.uint8)
    top_down = TopDown((96, 72), augment=Augment(**{**STILL, "occlusion": 1.0, "occlusion_size": 0.3}))
    plain = TopDown((96, 72))(person(image=white))
    hidden = 0
    for seed in range(30):
        crop = top_down(person(image=white), np.random.default_rng(seed))
        changed = (crop.image != plain.image).any(-1)
        assert changed.float().mean() <= 0.3
        for point, visible in zip(crop.keypoints, crop.visibility, strict=True):
            if visible == 1:
                hidden += 1
                assert changed[int(point[1]), int(point[0])] or (crop.image[int(point[1]), int(point[0])] == 255).any()
            else:
                assert not changed[int(point[1]), int(point[0])]
    assert hidden > 20


def test_the_same_generator_gives_the_same_crop() -> None:
    sample = person(image=torch.randint(0, 256, (150, 110, 3), dtype=torch.uint8))
    top_down = TopDown((64, 48), augment=Augment())
    one, two = (top_down(sample, np.random.default_rng(4)) for _ in range(2))
    other = top_down(sample, np.random.default_rng(5))
    assert torch.equal(one.image, two.image)
    assert torch.equal(one.keypoints, two.keypoints)
    assert not torch.equal(one.image, other.image)


def test_rotation_and_scale_stay_within_their_bounds() -> None:
    sample, bounds = person(), Augment(**{**STILL, "rotation": 30.0, "rotation_probability": 1.0, "scale": 0.2})
    base = float(TopDown((64, 48))(sample).crop[0, 0])
    angles, zooms = [], []
    for seed in range(200):
        linear = TopDown((64, 48), augment=bounds)(sample, np.random.default_rng(seed)).crop[:, :2]
        angles.append(float(torch.rad2deg(torch.atan2(linear[1, 0], linear[0, 0]))))
        zooms.append(float(torch.linalg.det(linear).sqrt()) / base)
    assert -30 <= min(angles) < -25
    assert 25 < max(angles) <= 30
    assert 0.8 <= min(zooms) < 0.83
    assert 1.17 < max(zooms) <= 1.2


def test_misuse_is_told() -> None:
    with pytest.raises(ValueError, match="random generator"):
        TopDown((64, 48), augment=Augment())(person())
    with pytest.raises(ValueError, match="a crop already"):
        TopDown((64, 48))(TopDown((64, 48))(person()))
    with pytest.raises(InputError, match="positive width and height"):
        TopDown((64, 48))(person(box_xyxy=torch.tensor([4.0, 4.0, 4.0, 9.0])))
    with pytest.raises(InputError, match=r"augment\.flip from 0 to 1, found 1\.5"):
        Augment(flip=1.5)
    with pytest.raises(InputError, match=r"augment\.rotation"):
        Augment(rotation=float("nan"))
