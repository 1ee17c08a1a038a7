import re

import numpy as np
import pytest

from poserior.datasets import FaceKeypoints
from poserior.errors import InputError


def test_faces_are_whole_crops_with_every_point_labelled(fake_faces) -> None:
    train, val = FaceKeypoints(fake_faces, "train"), FaceKeypoints(fake_faces, "val")
    assert (len(train), len(val)) == (3, 1)
    stored = np.load(fake_faces / "keypoints.npz")
    np.testing.assert_allclose(val[0].keypoints.numpy(), stored["keypoints"][1] + 0.5)
    np.testing.assert_allclose(train[1].keypoints.numpy(), stored["keypoints"][2] + 0.5)
    assert train[1].source.endswith("0002.png")
    assert val[0].visibility.tolist() == [2] * 14
    assert val[0].box_xyxy.tolist() == [0.0, 0.0, 96.0, 96.0]
    assert val[0].area == 9216.0


def test_bad_folders(fake_faces, tmp_path) -> None:
    with pytest.raises(InputError, match=r"keypoints\.npz"):
        FaceKeypoints(tmp_path / "absent")
    stored = dict(np.load(fake_faces / "keypoints.npz"))
    np.savez(fake_faces / "keypoints.npz", **{**stored, "keypoints": stored["keypoints"][:, :13]})
    with pytest.raises(InputError, match=r"\(4, 14, 2\).*found \(4, 13, 2\)"):
        FaceKeypoints(fake_faces)
    np.savez(fake_faces / "keypoints.npz", **{**stored, "image": np.array([object()] * 4)})
    with pytest.raises(InputError, match="could not read"):  # pickled objects are never loaded
        FaceKeypoints(fake_faces)


def test_the_real_set(real_data) -> None:
    root = real_data("face_keypoints")
    train, val = FaceKeypoints(root, "train"), FaceKeypoints(root, "val")
    assert (len(train), len(val)) == (1576, 200)
    with np.load(root / "keypoints.npz", allow_pickle=False) as file:
        names = [re.sub("^r_", "right_", re.sub("^l_", "left_", name)) for name in file["keypoint_names"].tolist()]
    assert tuple(names) == train.skeleton.keypoints
    points = np.stack([sample.keypoints.numpy() for sample in val])
    right, left = train.skeleton.index("right_eye_outer"), train.skeleton.index("left_eye_outer")
    assert (points[:, right, 0] < points[:, left, 0]).all()  # the person's right eye is on the picture's left
    assert val[0].image.shape == (96, 96, 3)
