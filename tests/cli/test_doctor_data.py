"""``doctor data`` where there is no torch, and with annotations broken in every way."""

import json
import subprocess
import sys

import cv2
import numpy as np

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
