"""``doctor data`` where there is no torch, and with annotations broken in every way."""

import json
import subprocess
import sys

import cv2
import numpy as np
from hypothesis import given, settings

from poserior.cli import main

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "timm", "lightning"):
    sys.modules[name] = None  # importing it fails
from poserior.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_pictures_are_looked_at_without_torch(tmp_path):
    for name, seed in (("0.png", 0), ("1.png", 1), ("2.png", 0)):
        noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
        assert cv2.imwrite(str(tmp_path / name), cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC))
    images = [{"id": n, "file_name": f"{n}.png", "height": 120 - 20 * (n == 1), "width": 160} for n in range(4)]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat", "keypoints": ["nose"]}]}
    (tmp_path / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    words = ["doctor", "data", "--annotations", str(tmp_path / "labels.json"), "--images", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1, done.stderr
    assert "3 files looked at" in done.stdout
    assert "1 pictures are not where the labels say" in done.stdout
    assert "1 pictures have another size than the labels say" in done.stdout
    assert "1 pairs of picture files are equal byte for byte" in done.stdout


def test_broken_annotations_end_with_a_verdict(tmp_path, mutated, capsys):
    """Of a hundred broken files each gets its findings (0 or 1) or one sentence (2), and no exception."""
    names = ["nose", "left_eye", "right_eye"]
    people = [
        {"id": n, "image_id": n % 2, "category_id": 1, "keypoints": [9 + n, 8, 2, 20, 14, 1, 0, 0, 0],
         "bbox": [4, 3, 30 - n, 20], "area": 311.5, "iscrowd": 0, "num_keypoints": 2}
        for n in range(4)
    ]  # fmt: skip
    pictures = [{"id": n, "file_name": f"{n}.png", "width": 44, "height": 33} for n in range(2)]
    for picture in pictures:
        assert cv2.imwrite(str(tmp_path / picture["file_name"]), np.full((33, 44, 3), 90 + picture["id"], np.uint8))
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": [[1, 2]]}
    labels, codes = tmp_path / "labels.json", []

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(mutated({"images": pictures, "annotations": people, "categories": [category]}))
    def check(content):
        labels.write_text(json.dumps(content), encoding="utf-8")
        codes.append(main(["doctor", "data", "--annotations", str(labels), "--images", str(tmp_path)]))
        printed = capsys.readouterr()
        assert codes[-1] in (0, 1, 2)
        assert "Traceback" not in printed.err
        if codes[-1] == 2:
            assert printed.out == ""
            assert "expected" in printed.err

    check()
    assert 1 in codes


def test_no_picture_that_can_be_read(tmp_path, capsys):
    content = {"images": [{"id": 1, "file_name": "gone.png"}], "annotations": [], "categories": []}
    (tmp_path / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["doctor", "data", "--annotations", str(tmp_path / "labels.json"), "--images", str(tmp_path)]) == 1
    assert "1 pictures are not where the labels say" in capsys.readouterr().out
