"""`poserior predict` with runs of one-stage networks."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch

import poserior
from poserior import skeletons
from poserior.cli import main
from poserior.dense.spec import DenseSpec, build_dense, save_dense
from poserior.errors import InputError

BACKBONE = {"class_path": "Upsampled", "init_args": {"name": "test_resnet", "channels": 8}}


def make(folder, skeleton, categories):
    torch.manual_seed(0)
    head = {"class_path": "DenseMixture", "init_args": {"components": 3, "channels": 8}}
    loaded = None if skeleton is None else skeletons.load(skeleton)
    spec = DenseSpec(BACKBONE, head, categories, loaded, (64, 96), channels=8)
    model = build_dense(spec)
    for branch in (model.stacks[0].centre, model.stacks[0].size):
        if branch is not None:
            torch.nn.init.normal_(branch[-1].weight, std=3.0)
            torch.nn.init.constant_(branch[-1].bias, 3.0)
    save_dense(model, spec, folder)
    return folder


@pytest.fixture(scope="module")
def poses(tmp_path_factory):
    return make(tmp_path_factory.mktemp("poses"), "lsp14", ("person",))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return make(tmp_path_factory.mktemp("boxes"), None, ("ball", "kite"))


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("7.png", (60, 50)), ("b.jpg", (48, 64)), ("c.png", (30, 90))):
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (*size, 3), dtype=np.uint8))
    return folder


def call(*words):
    return main(["predict", *map(str, words)])


def read(folder):
    return json.loads((folder / "results.json").read_text())


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_people_are_found_and_the_file_says_what_python_says(poses, pictures, tmp_path, capsys):
    words = (pictures, "--run", poses, "--output", tmp_path / "out", "--score-threshold", "0", "--device", "cpu")
    assert call(*words, "--csv") == 0
    predictor = poserior.load(poses, device="cpu", threshold=0.0)
    expected = [person for people in predictor(sorted(pictures.iterdir())) for person in people]
    results = read(tmp_path / "out")
    assert len(results) == len(expected) > 3
    for entry, person in zip(results, expected, strict=True):
        triples = np.array(entry["keypoints"]).reshape(14, 3)
        assert triples[:, :2] + 0.5 == pytest.approx(person.keypoints.numpy(), abs=1e-2)
        assert triples[:, 2] == pytest.approx(person.confidence.numpy(), abs=1e-3)
        assert entry["score"] == pytest.approx(person.score, abs=1e-4)
        x, y, width, height = entry["bbox"]
        assert [x, y, x + width, y + height] == pytest.approx(person.box_xyxy.tolist(), abs=1e-2)
        assert (entry["image_id"], entry["component"]) == (person.image_id, person.component)
    rows = rows_of(tmp_path / "out" / "results.csv")
    assert [int(row["component"]) for row in rows] == [entry["component"] for entry in results]
    assert cv2.imread(str(tmp_path / "out" / "overlays" / "b.jpg")).shape == (288, 384, 3)
    said = capsys.readouterr()
    assert f"{len(results)} people in 3 pictures" in said.out
    assert call(*words) == 0
    assert "already finished" in capsys.readouterr().out


def test_boxes_as_coco_writes_them_and_as_a_table(boxes, pictures, tmp_path, capsys):
    words = (pictures, "--run", boxes, "--score-threshold", "0", "--device", "cpu", "--model", "dense")
    assert call(*words, "--csv", "--output", tmp_path / "out") == 0
    results = read(tmp_path / "out")
    found = poserior.load(boxes, device="cpu", threshold=0.0)(sorted(pictures.iterdir()))
    assert [entry["score"] for entry in results] == pytest.approx([box.score for one in found for box in one], abs=1e-4)
    assert {entry["category_id"]: entry["category"] for entry in results}.items() <= {1: "ball", 2: "kite"}.items()
    assert all(len(entry["components"]) == 3 and len(entry["size_covariance"]) == 4 for entry in results)
    rows = rows_of(tmp_path / "out" / "results.csv")
    assert len(rows) == len(results) > 3
    for row, entry in zip(rows, results, strict=True):
        assert [float(row[f"bbox_{name}"]) for name in "xywh"] == entry["bbox"]
        assert [float(row[f"size_{name}"]) for name in ("ww", "wh", "hh")] == [
            entry["size_covariance"][n] for n in (0, 1, 3)
        ]
        assert (row["category"], float(row["expected_iou"])) == (entry["category"], entry["expected_iou"])
    assert f"{len(results)} boxes in 3 pictures" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "out" / "overlays" / "b.jpg")).shape == (288, 384, 3)
    few = (
        "--output",
        tmp_path / "few",
        "--scales",
        "0.5,1",
        "--nms",
        "linear",
        "--choice",
        "mean",
        "--score",
        "centre",
    )
    assert call(*words, *few, "--flip-test", "--no-overlays", "--part-size", "2") == 0
    assert len(read(tmp_path / "few")) > 3


def test_parts_and_resuming(poses, pictures, tmp_path):
    words = (pictures, "--run", poses, "--score-threshold", "0", "--device", "cpu", "--no-overlays", "--part-size", "1")
    assert call(*words, "--output", tmp_path / "whole") == 0
    for shard in ("0/2", "1/2"):
        assert call(*words, "--output", tmp_path / "parts", "--shard", shard, "--oks-nms", "1") == 0
    assert read(tmp_path / "parts") == read(tmp_path / "whole")
    assert len(read(tmp_path / "whole")) > 3


def test_people_alike_are_suppressed(poses, pictures, tmp_path):
    words = (pictures, "--run", poses, "--score-threshold", "0", "--device", "cpu", "--no-overlays")
    assert call(*words, "--output", tmp_path / "all") == 0
    assert call(*words, "--output", tmp_path / "few", "--oks-nms", "0.0") == 0
    best = {}
    for entry in read(tmp_path / "all"):
        best.setdefault(entry["image_id"], entry)
    assert read(tmp_path / "few")[0] == best["7.png"]
    assert len(read(tmp_path / "few")) < len(read(tmp_path / "all"))


def test_what_does_not_go_together_is_said(poses, boxes, run_folder, pictures, tmp_path, capsys):
    def refused(*words):
        assert call(pictures, *words, "--output", tmp_path / "no", "--device", "cpu") == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return said

    (tmp_path / "boxes.json").write_text('[{"image_id": 7, "bbox": [5, 5, 30, 40], "score": 0.9, "category_id": 1}]')
    assert "found boxes with it" in refused("--run", poses, "--boxes", tmp_path / "boxes.json")
    assert "found a detector with it" in refused("--run", poses, "--detector", "fasterrcnn_mobilenet_v3_large_320_fpn")
    assert "another model at" in refused("--run", run_folder, "--model", "dense")
    assert "found a one-stage run at" in refused("--run", poses, "--model", "top-down")
    assert "expected --scales with a one-stage run" in refused("--run", run_folder, "--scales", "0.5,1")
    assert "expected numbers with commas for --scales" in refused("--run", poses, "--scales", "small")
    assert "use --nms" in refused("--run", boxes, "--oks-nms", "0.9")
    assert "no regions for a one-stage run" in refused("--run", poses, "--regions", "0.9")
    assert "no ensembles" in refused("--run", f"{poses},{poses}")
    with pytest.raises(InputError, match="expected a one-stage run with scales"):
        poserior.load(run_folder, scales=(1, 2))


def test_a_job_that_is_older_than_an_option_goes_on(run_folder, pictures, tmp_path, capsys):
    words = (pictures, "--run", run_folder, "--output", tmp_path / "out", "--no-overlays")
    assert call(*words) == 0
    path = tmp_path / "out" / "job.json"
    content = json.loads(path.read_text())
    for name in ("model", "choice", "scales", "nms", "score"):
        del content["job"][name]
    path.write_text(json.dumps(content))
    assert call(*words) == 0
    assert "already finished" in capsys.readouterr().out


def test_a_video_of_boxes(boxes, tmp_path):
    pytest.importorskip("av")
    from poserior.outputs import VideoWriter
    from poserior.pictures import Video

    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "clip.mp4", 10, (48, 64)) as video:
        for _ in range(3):
            video.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    words = (tmp_path / "clip.mp4", "--run", boxes, "--score-threshold", "0", "--device", "cpu", "--video")
    assert call(*words, "--output", tmp_path / "out") == 0
    names = {entry["image_id"] for entry in read(tmp_path / "out")}
    assert names == {f"clip.mp4#{n:06d}" for n in range(3)}
    drawn = Video(tmp_path / "out" / "videos" / "clip.mp4")
    assert (drawn.size, len(list(drawn.frames()))) == ((48, 64), 3)
