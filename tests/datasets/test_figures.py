import json
import warnings

import cv2
import numpy as np
import pytest
import torch
from pycocotools.coco import COCO

from poserior.datasets import Figures
from poserior.datasets.figures import LaplaceNoise, write_coco
from poserior.errors import InputError


@pytest.fixture(scope="module")
def samples():
    dataset = Figures(length=30, seed=3)
    return [dataset[i] for i in range(len(dataset))]


def _same(a, b):
    return (
        torch.equal(a.image, b.image)
        and torch.equal(a.keypoints, b.keypoints)
        and torch.equal(a.visibility, b.visibility)
        and a.area == b.area
    )


def test_same_sample_in_any_order(samples):
    again = Figures(length=30, seed=3)
    for index in (17, 2, 29, 2):
        assert _same(again[index], samples[index])


def test_first_shifts_the_range_and_seed_changes_all(samples):
    assert _same(Figures(length=5, seed=3, first=20)[1], samples[21])
    assert not torch.equal(Figures(length=5, seed=4)[1].image, samples[1].image)


def test_negative_and_out_of_range_indices(samples):
    dataset = Figures(length=4, seed=3)
    assert _same(dataset[-1], samples[3])
    assert dataset[-1].image_id == 3
    with pytest.raises(IndexError, match="below 4"):
        dataset[4]


def test_keypoints_lie_inside_and_zeros_outside(samples):
    for sample in samples:
        height, width = sample.image.shape[:2]
        seen = sample.visibility > 0
        points = sample.keypoints[seen]
        assert ((points > 0) & (points < torch.tensor([width, height]))).all()
        assert (sample.keypoints[~seen] == 0).all()
        outside = sample.true_keypoints[~seen]
        assert ((outside <= 0) | (outside >= torch.tensor([width, height]))).any(1).all()
        assert torch.equal(sample.keypoints[seen], sample.true_keypoints[seen])
    states = torch.stack([sample.visibility for sample in samples])
    assert {0, 1, 2} == set(states.unique().tolist())


def test_joints_project_onto_the_keypoints(samples):
    dataset = Figures(length=30, seed=3)
    for index in (0, 21):
        intrinsics = torch.from_numpy(dataset.camera(index).intrinsics)
        flat = samples[index].joints_3d.double() @ intrinsics.T
        torch.testing.assert_close(
            (flat[:, :2] / flat[:, 2:]).float(), samples[index].true_keypoints, rtol=0, atol=2e-3
        )


def test_area_is_the_mask_and_the_box_holds_it():
    dataset = Figures(length=12, seed=5, people=(2, 3), picture_size=(120, 150))
    for index in range(12):
        picture = dataset.picture(index)
        total = np.zeros((120, 150), int)
        for sample in dataset.scene(index):
            mask = picture.people[(sample.annotation_id - 1) % 100].mask
            assert sample.area == mask.sum()
            total += mask
            rows, columns = np.nonzero(mask)
            x0, y0, x1, y1 = sample.box_xyxy.tolist()
            assert x0 <= columns.min()
            assert x1 >= columns.max() + 1
            assert y0 <= rows.min()
            assert y1 >= rows.max() + 1
            assert x0 >= 0
            assert y0 >= 0
            assert x1 <= 150
            assert y1 <= 120
        assert total.max() <= 1


def test_seen_keypoints_lie_on_the_person():
    """The mask, cut by depth and by what stands in front, decides apart from the keypoints' own rule."""
    dataset = Figures(length=30, seed=6, people=(1, 2))
    on = off = 0
    for index in range(30):
        picture = dataset.picture(index)
        for person in picture.people:
            # A pixel's tolerance: half of an outline's pixel may belong to what lies behind.
            grown = cv2.dilate(person.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            for (x, y), state in zip(person.keypoints, person.visibility, strict=True):
                if state == 2:
                    on += grown[int(y), int(x)]
                    off += not grown[int(y), int(x)]
    assert on > 300
    assert off <= 0.002 * on


def test_hidden_keypoints_appear_when_what_hides_them_goes():
    """Without anything in front, what was hidden by it alone is seen; what was seen stays so."""
    plain = Figures(length=24, seed=7, occluders=0.0)
    hidden = Figures(length=24, seed=7, occluders=1.0)
    more = 0
    for index in range(24):
        a, b = plain[index].visibility, hidden[index].visibility
        assert ((a > 0) == (b > 0)).all()
        assert (b <= a).all()
        more += int((a > b).sum())
    assert more > 20


def test_left_is_to_the_right_of_a_frontal_view_and_all_sides_occur():
    dataset = Figures(length=80, seed=8, truncation=0.0, supersample=1, picture_size=(64, 48))
    quadrants = set()
    frontal = 0
    for index in range(80):
        sample = dataset[index]
        left, right, nose = (
            sample.joints_3d[sample.skeleton.index(n)] for n in ("left_shoulder", "right_shoulder", "nose")
        )
        ears = sample.joints_3d[3:5].mean(0)
        ahead = nose - ears
        quadrants.add((bool(ahead[0] > 0), bool(ahead[2] > 0)))
        across = left - right
        if across[0].abs() > 0.85 * across.norm() and ahead[2].abs() > 0.85 * ahead.norm():
            frontal += 1
            # The face turned to the camera (ahead towards smaller depth): the person's left is on the picture's right.
            assert (across[0] > 0) == (ahead[2] < 0)
    assert len(quadrants) == 4
    assert frontal > 5


def test_face_is_seen_from_the_front_only():
    dataset = Figures(length=70, seed=9, occluders=0.0, truncation=0.0)
    for index in range(70):
        sample = dataset[index]
        ahead = sample.joints_3d[0] - sample.joints_3d[3:5].mean(0)
        away = sample.joints_3d[0] / sample.joints_3d[0].norm()
        turned = float(ahead @ away / ahead.norm())
        if turned > 0.7:  # the back of the head
            assert (sample.visibility[:3] < 2).all()


def test_bones_keep_their_lengths_through_a_clip_and_it_moves():
    dataset = Figures(length=30, seed=2, clip_length=10, supersample=1, picture_size=(64, 48))
    for clip in range(3):
        joints = torch.stack([dataset[10 * clip + frame].joints_3d for frame in range(10)])
        for names in (
            ("left_elbow", "left_wrist"),
            ("right_hip", "right_knee"),
            ("left_hip", "right_hip"),
            ("nose", "left_ear"),
        ):
            a, b = (dataset.skeleton.index(name) for name in names)
            lengths = (joints[:, a] - joints[:, b]).norm(dim=1)
            torch.testing.assert_close(lengths, lengths[:1].expand(10), rtol=1e-4, atol=0)
        steps = (joints[1:] - joints[:-1]).norm(dim=2)
        assert steps.max() > 0.01
        assert steps.max() < 1.0
    assert not _same(dataset[0], dataset[1])
    assert _same(Figures(length=30, seed=2, clip_length=10, supersample=1, picture_size=(64, 48))[14], dataset[14])


def test_indices_of_clips_count_frames_first():
    dataset = Figures(length=8, seed=2, clip_length=4, supersample=1, picture_size=(64, 48))
    shifted = Figures(length=4, seed=2, clip_length=4, supersample=1, picture_size=(64, 48), first=1)
    assert _same(dataset[6], shifted[2])
    assert dataset[6].source.endswith("[6]")
    np.testing.assert_array_equal(dataset.camera(4).intrinsics, dataset.camera(7).intrinsics)


def test_scene_shares_the_picture_and_starts_with_the_item():
    dataset = Figures(length=6, seed=1, people=(2, 4), picture_size=(96, 128), label_noise=LaplaceNoise(0.5))
    for index in range(6):
        people = dataset.scene(index)
        assert all(person.image is people[0].image for person in people)
        assert _same(people[0], dataset[index])
        assert len({person.annotation_id for person in people}) == len(people)


def test_written_files_read_back_by_pycocotools(tmp_path, capsys):
    dataset = Figures(length=5, seed=12, people=(1, 3), picture_size=(90, 110))
    path = write_coco(dataset, tmp_path / "figures")
    coco = COCO(str(path))
    capsys.readouterr()
    assert sorted(coco.getImgIds()) == list(range(5))
    for index in range(5):
        people = dataset.scene(index)
        entries = coco.loadAnns(coco.getAnnIds(imgIds=[index]))
        assert len(entries) == len(people)
        for entry, sample in zip(entries, people, strict=True):
            triples = np.array(entry["keypoints"]).reshape(17, 3)
            seen = sample.visibility.numpy() > 0
            np.testing.assert_array_equal(triples[:, 2], sample.visibility.numpy())
            np.testing.assert_allclose(triples[seen, :2] + 0.5, sample.keypoints.numpy()[seen], atol=1e-3)
            assert (triples[~seen, :2] == 0).all()
            with warnings.catch_warnings():  # pycocotools decodes into an array in numpy 1's way
                warnings.simplefilter("ignore", DeprecationWarning)
                mask = coco.annToMask(entry)
            assert mask.sum() == entry["area"] == sample.area
            assert entry["num_keypoints"] == seen.sum()
        file = tmp_path / "figures" / "images" / coco.loadImgs([index])[0]["file_name"]
        np.testing.assert_array_equal(cv2.imread(str(file))[..., ::-1], people[0].image.numpy())
    assert not list((tmp_path / "figures").rglob("*.part"))


def test_written_labels_carry_the_truth_where_there_is_noise(tmp_path):
    dataset = Figures(length=1, seed=12, picture_size=(90, 110), label_noise=LaplaceNoise(0.5))
    entry = json.loads(write_coco(dataset, tmp_path, "jpg").read_text())["annotations"][0]
    np.testing.assert_allclose(
        np.array(entry["true_keypoints"]) + 0.5, dataset[0].true_keypoints.flatten().numpy(), atol=1e-3
    )
    labels = np.array(entry["keypoints"]).reshape(17, 3)
    seen = labels[:, 2] > 0
    np.testing.assert_allclose(labels[seen, :2] + 0.5, dataset[0].keypoints.numpy()[seen], atol=1e-3)
    assert (tmp_path / "images" / "000000.jpg").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"people": (2, 1)}, "least <= greatest"),
        ({"occluders": 1.5}, "probability"),
        ({"clip_length": 0}, "clip_length"),
        ({"picture_size": (8, 200)}, "shorter side"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_teach(options, message):
    with pytest.raises(InputError, match=message):
        Figures(**options)


def test_bad_image_format_teaches(tmp_path):
    with pytest.raises(InputError, match="'gif'"):
        write_coco(Figures(length=1), tmp_path, "gif")
