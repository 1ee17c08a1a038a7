import runpy
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from poserior.errors import InputError
from poserior.inference import Detector

NAME = "fasterrcnn_mobilenet_v3_large_320_fpn"
EXAMPLE = Path(__file__).parents[2] / "examples" / "train_detector.py"


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return Detector(NAME, device="cpu", threshold=0.0)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


class Planted(torch.nn.Module):
    def forward(self, images):
        assert [tuple(image.shape) for image in images] == [(3, 40, 60), (3, 30, 20)]
        assert images[0].dtype == torch.float32
        assert 0 <= images[0].min() < images[0].max() <= 1
        boxes = torch.tensor([[0.0, 1, 10, 20], [5, 5, 30, 35], [1, 1, 2, 2], [3, 3, 3, 9], [2, 2, 9, 9]])
        labels, scores = torch.tensor([1, 1, 2, 1, 1]), torch.tensor([0.6, 0.9, 0.95, 0.8, 0.4])
        return [{"boxes": boxes, "labels": labels, "scores": scores}, {k: v[:0] for k, v in (
            ("boxes", boxes), ("labels", labels), ("scores", scores))}]  # fmt: skip


def test_people_above_the_threshold_best_first(detector):
    planted = Detector(NAME, device="cpu")
    planted.model = Planted()
    some, nobody = planted([picture(40, 60), picture(30, 20)])
    assert some.box_xyxy.tolist() == [[5, 5, 30, 35], [0, 1, 10, 20]]
    assert some.score.tolist() == pytest.approx([0.9, 0.6])
    assert (some.image_id, nobody.image_id) == (0, 1)
    assert nobody.box_xyxy.shape == (0, 4)
    assert nobody.box_xyxy.dtype == nobody.score.dtype == np.float32
    assert planted([]) == []


def test_boxes_are_in_the_pictures_own_pixels(detector):
    found = detector([picture(50, 90), picture(70, 40)])
    for boxes, (height, width) in zip(found, ((50, 90), (70, 40)), strict=True):
        assert len(boxes.score) > 0
        assert (boxes.box_xyxy[:, 2:] > boxes.box_xyxy[:, :2]).all()
        assert (boxes.box_xyxy >= 0).all()
        assert (boxes.box_xyxy[:, 2:] <= (width, height)).all()
        assert boxes.box_xyxy[:, 2].max() > 0.5 * width
        assert (np.diff(boxes.score) <= 0).all()


@pytest.mark.parametrize("kind", ["safetensors", "nested.pth"])
def test_weights_come_from_a_file_with_their_number_of_categories(tmp_path, kind):
    torch.manual_seed(3)
    model = get_model(NAME, weights=None, weights_backbone=None, num_classes=5)
    path = tmp_path / f"w.{kind}"
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"model": state, "epoch": 3} if kind.startswith("nested") else state, path)
    loaded = Detector(NAME, weights=path, device="cpu").model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_bad_weights_are_explained(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("unpickled",)

    torch.save({"a": Evil()}, tmp_path / "evil.pth")
    torch.save({"backbone.x": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "noise.safetensors").write_bytes(b"noise" * 9)
    for name, message in (
        ("evil.pth", "could not read them"),
        ("noise.safetensors", "could not read them"),
        ("missing.pth", "found none at"),
        ("list.pth", "found something else"),
        ("other.pth", f"expected weights of {NAME} in .* found others"),
    ):
        with pytest.raises(InputError, match=message):
            Detector(NAME, weights=tmp_path / name, device="cpu")


def test_bad_names_options_and_pictures_are_explained(detector):
    with pytest.raises(InputError, match=r"detectors \(fasterrcnn.*ssdlite320.*found 'yolo'"):
        Detector("yolo")
    with pytest.raises(InputError, match=r"does not take these options: .*num_classes"):
        Detector(NAME, num_classes=3)
    for image in (np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((0, 5, 3), np.uint8)):
        with pytest.raises(InputError, match=r"image 0 as RGB of shape \(H, W, 3\)"):
            detector([image])


def test_without_a_network_the_file_to_get_is_named(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no network here")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(InputError, match=r"no network here.*download https://\S+320_fpn\S+\.pth elsewhere and pass"):
        Detector(NAME, weights="DEFAULT", device="cpu")


def test_the_example_trains_and_finds_boxes(capsys, monkeypatch):
    example = runpy.run_path(str(EXAMPLE))
    example["main"](shown=1)
    out = capsys.readouterr().out
    first, last = (float(word) for word in out.split("loss ")[1].split("\n")[0].split(" to "))
    assert 0 < last < 10
    assert 0 < first < 10
    assert out.startswith("2 steps")
    assert "people in new pictures" in out
