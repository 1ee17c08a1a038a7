"""What users hand over by mistake, verb by verb: one sentence, exit code 2, no traceback, nothing half-written."""

import io
import json
import re
import shutil
import struct
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from poserior.cli import main
from poserior.models import load_model

RGB = np.random.default_rng(3).integers(0, 256, (40, 30, 3), np.uint8)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(RGB), "JPEG", exif=exif)


def bomb():
    data = bytearray(encoded(Image.fromarray(RGB), "JPEG"))
    start = data.find(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 30000, 30000)
    return bytes(data)


GOOD = {
    "grey.png": lambda: encoded(Image.fromarray(RGB[..., 0]), "PNG"),
    "alpha.png": lambda: encoded(Image.fromarray(np.dstack([RGB, RGB[..., 0]])), "PNG"),
    "deep.png": lambda: encoded(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257), "PNG"),
    "cmyk.jpg": lambda: encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "turned.jpg": turned,
    "animated.webp": lambda: encoded(
        Image.fromarray(RGB), "WEBP", save_all=True, append_images=[Image.new("RGB", (30, 40))]
    ),
    "wide.png": lambda: encoded(Image.new("RGB", (30_000, 20), "green"), "PNG"),
    "tiny.png": lambda: encoded(Image.new("RGB", (1, 1), "red"), "PNG"),
}
BAD = {
    "empty.jpg": b"",
    "text.png": b"no picture at all",
    "cut.jpg": encoded(Image.fromarray(RGB), "JPEG")[:300],
    "bomb.jpg": bomb(),
}


def refused(capsys, words, pattern):
    """The verb ends with 2 and one line on stderr (beside progress) that matches."""
    code = main(words)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("poserior: ")]
    assert code == 2
    assert len(lines) == 1
    assert re.search(pattern, lines[0]), lines[0]
    assert "Traceback" not in lines[0]


def predict(run, inputs, output, *more):
    return ["predict", *map(str, inputs), "--run", str(run), "--output", str(output), *more]


def test_unusual_pictures_are_predicted_like_others(run_folder, tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, make in GOOD.items():
        (folder / name).write_bytes(make())
    assert main(predict(run_folder, [folder], tmp_path / "out")) == 0
    people = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [person["image_id"] for person in people] == sorted(GOOD)
    assert np.isfinite([person["keypoints"] for person in people]).all()
    size = {person["image_id"]: person["bbox"][2:] for person in people}
    assert size["turned.jpg"] == [40, 30]  # upright
    assert size["wide.png"] == [30_000, 20]
    capsys.readouterr()


@pytest.mark.parametrize("name", BAD)
def test_pictures_that_are_none(run_folder, tmp_path, capsys, name):
    (tmp_path / name).write_bytes(BAD[name])
    refused(capsys, predict(run_folder, [tmp_path / name], tmp_path / "out"), rf"expected .*{name}.*found .*;")
    assert not (tmp_path / "out" / "results.json").exists()


BOXES = {
    "missing": (None, "expected a file at .*boxes.json"),
    "broken": ("[{", "expected JSON"),
    "text": ('"boxes"', "expected a list of detections"),
    "none": ("[]", "expected boxes for at least one"),
    "words": ('[{"image_id": "a.png", "bbox": ["left", 0, 1, 1], "score": 1}]', "bbox"),
    "nan": ('[{"image_id": "a.png", "bbox": [NaN, 0, 1, 1], "score": 1}]', "bbox"),
    "huge": ('[{"image_id": "a.png", "bbox": [0, 0, 1e300, 1], "score": 1}]', "bbox"),
    "list": ('[{"image_id": ["a.png"], "bbox": [0, 0, 3, 1], "score": 1}]', "image_id"),
}


@pytest.mark.parametrize("kind", BOXES)
def test_boxes_that_are_none(run_folder, tmp_path, capsys, kind):
    (tmp_path / "a.png").write_bytes(GOOD["grey.png"]())
    text, pattern = BOXES[kind]
    if text is not None:
        (tmp_path / "boxes.json").write_text(text)
    words = predict(run_folder, [tmp_path / "a.png"], tmp_path / "out", "--boxes", str(tmp_path / "boxes.json"))
    refused(capsys, words, pattern)
    assert not (tmp_path / "out" / "results.json").exists()


def test_boxes_without_extent_or_outside_are_harmless(run_folder, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(GOOD["grey.png"]())
    boxes = [[3, 4, 0, 9], [3, 4, -5, 9], [900, 900, 20, 20], [-1e6, -1e6, 5, 5], [2, 3, 15, 20]]
    entries = [{"image_id": "a.png", "bbox": box, "score": 0.5} for box in boxes]
    (tmp_path / "boxes.json").write_text(json.dumps(entries))
    words = predict(run_folder, [tmp_path / "a.png"], tmp_path / "out", "--boxes", str(tmp_path / "boxes.json"))
    assert main(words) == 0
    capsys.readouterr()
    people = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [2, 3, 15, 20] in [person["bbox"] for person in people]
    assert np.isfinite([person["keypoints"] for person in people]).all()


def test_members_of_archives_do_not_escape(run_folder, tmp_path, capsys):
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for name in ("../../up.png", "/abs.png", "plain.png"):
            data = GOOD["grey.png"]()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    inside = tmp_path / "deep" / "er" / "out"
    assert main(predict(run_folder, [tmp_path / "evil.tar"], inside)) == 0
    capsys.readouterr()
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - {tmp_path / "evil.tar"}
    assert all(inside in path.parents or run_folder in path.parents for path in written)
    assert len([path for path in written if path.suffix == ".jpg"]) == 3


def _cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def _append(path, text):
    path.write_text(path.read_text() + text)


def _wider(run):
    """The weights of a model with one more keypoint."""
    from dataclasses import replace

    from poserior import skeletons
    from poserior.models import build_model, save_model

    _, spec = load_model(run)
    other = replace(spec, skeleton=skeletons.load("mpii16"))
    kept = (run / "model.yaml").read_text()
    save_model(build_model(other), other, run)
    (run / "model.yaml").write_text(kept)


RUNS = {
    "nothing": (shutil.rmtree, "expected a finished run"),
    "no weights": (lambda run: (run / "model.safetensors").unlink(), "model.safetensors"),
    "cut weights": (lambda run: _cut(run / "model.safetensors"), "weights in .* do not fit"),
    "other weights": (_wider, "weights in .* do not fit"),
    "list": (lambda run: (run / "model.yaml").write_text("[1, 2]"), "model.yaml"),
    "syntax": (lambda run: (run / "model.yaml").write_text("a: [b"), "model.yaml"),
    "code": (lambda run: (run / "model.yaml").write_text("!!python/object/apply:os.system ['true']"), "model.yaml"),
    "unknown key": (lambda run: _append(run / "model.yaml", "colour: red\n"), "colour"),
    "binary": (lambda run: (run / "model.yaml").write_bytes(b"\x80\x04\x95\xff\x00"), "model.yaml"),
}


@pytest.mark.parametrize("kind", RUNS)
def test_runs_that_are_none(run_folder, tmp_path, capsys, kind):
    (tmp_path / "a.png").write_bytes(GOOD["grey.png"]())
    spoil, pattern = RUNS[kind]
    spoil(run_folder)
    refused(capsys, predict(run_folder, [tmp_path / "a.png"], tmp_path / "out"), pattern)
    assert not (tmp_path / "out" / "results.json").exists()


def test_an_output_folder_that_is_a_file(run_folder, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(GOOD["grey.png"]())
    (tmp_path / "out").write_text("mine")
    refused(capsys, predict(run_folder, [tmp_path / "a.png"], tmp_path / "out"), "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_batch_without_labels_has_a_finite_loss_and_gradients(run_folder):
    from poserior.structures import Target

    model, spec = load_model(run_folder)
    count = spec.skeleton.num_keypoints
    target = Target(
        keypoints=torch.zeros(3, count, 2),
        visibility=torch.zeros(3, count, dtype=torch.int64),
        area=torch.full((3,), 50.0),
        box_xyxy=torch.tensor([[0.0, 0.0, 9.0, 12.0]]).expand(3, 4),
        crop=torch.eye(3)[:2].expand(3, 2, 3).double(),
        image_id=(1, 2, 3),
        annotation_id=(1, 2, 3),
        head_size=torch.full((3,), torch.nan),
    )
    model.train()
    loss = model.loss(torch.rand(3, 3, *spec.image_size), target)
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert torch.isfinite(loss)
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
