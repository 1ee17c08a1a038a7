import json

import numpy as np
import pytest
import scipy.io
import torch

from poserior.datasets import Mpii
from poserior.errors import InputError
from poserior.transforms import TopDown


def test_a_person_worked_by_hand(fake_mpii) -> None:
    annotations, images = fake_mpii()
    dataset = Mpii(annotations, images)
    one, two = dataset[0], dataset[1]
    assert dataset.skeleton.name == "mpii16"
    assert one.keypoints[1].tolist() == [10.5, 21.5]  # 1-based (11, 22)
    assert one.visibility.tolist() == [2] * 16
    # Centre (29.5, 24.5), moved down by 15 x 0.2 = 3; half of 200 x 0.2 is 20.
    assert one.box_xyxy.tolist() == pytest.approx([9.5, 7.5, 49.5, 47.5])
    assert one.area == pytest.approx(15 * 30)
    assert one.head_size is None
    assert two.visibility.tolist() == [0] * 6 + [2] + [0] * 9
    assert two.area == pytest.approx(0.53 * 400)  # one keypoint has no box
    assert two.head_size == 12.5
    assert (two.image_id, two.annotation_id) == ("one.png", 2)


def test_the_head_box_gives_the_head_size(fake_mpii, tmp_path) -> None:
    assert Mpii(*fake_mpii(headbox=[10, 10, 13, 14]))[0].head_size == pytest.approx(3.0)
    annotations, images = fake_mpii()
    boxes = np.zeros((2, 2, 2))
    boxes[1, :, 0], boxes[1, :, 1] = [6, 8], [30, 40]
    scipy.io.savemat(tmp_path / "gt_valid.mat", {"headboxes_src": boxes})
    dataset = Mpii(annotations, images, tmp_path / "gt_valid.mat")
    assert [dataset[0].head_size, dataset[1].head_size] == pytest.approx([6.0, 30.0])
    scipy.io.savemat(tmp_path / "other.mat", {"headboxes_src": boxes[..., :1]})
    with pytest.raises(InputError, match=r"\(2, 2, 2\).*one box per annotated person, found \(2, 2, 1\)"):
        Mpii(annotations, images, tmp_path / "other.mat")
    with pytest.raises(InputError, match=r"valid\.json, could not read it"):
        Mpii(annotations, images, annotations)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": [[1, 2]] * 15}, "32 finite numbers under 'joints'.*number 0"),
        ({"joints": 4}, "32 finite numbers under 'joints'"),
        ({"joints": [[float("nan"), 2]] * 16}, "32 finite numbers under 'joints'"),
        ({"joints_vis": [1] * 15}, "16 finite numbers under 'joints_vis'.*15 values"),
        ({"scale": -1.0}, "'scale' in .* to be positive, found -1"),
        ({"center": [1]}, "2 finite numbers under 'center'"),
        ({"image": 7}, "file name under 'image'.*7"),
        ({"image": "two.png"}, "expected the image 'two.png'"),
        ({"headbox": [1, 1, 1, 1]}, "positive head size"),
    ],
)
def test_mistakes_are_told(fake_mpii, change, message) -> None:
    with pytest.raises(InputError, match=message):
        Mpii(*fake_mpii(**change))


def test_the_real_sample(real_data) -> None:
    path = real_data("mmpose_samples/mpii/test_mpii.json")
    rows = json.loads(path.read_text())
    dataset = Mpii(path, path.parent)
    assert len(dataset) == len(rows) == 5
    sample = dataset[0]
    assert sample.keypoints[0].tolist() == [803.5, 710.5]
    # HRNet's crop: 1.25 x 200 x scale pixels about (center + (0, 15 scale) - 1), in its pixel indices.
    scale, (x, y) = rows[0]["scale"], rows[0]["center"]
    crop = TopDown((256, 256))(sample).crop
    side = 1.25 * 200 * scale
    middle = crop[:, :2] @ torch.tensor([x - 0.5, y + 15 * scale - 0.5], dtype=torch.float64) + crop[:, 2]
    assert middle.tolist() == pytest.approx([128.0, 128.0], abs=1e-3)
    assert float(crop[0, 0]) == pytest.approx(256 / side)
