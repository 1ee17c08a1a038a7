import json
import tarfile

import cv2
import numpy as np
import pytest
import torch

from poserior import inference, skeletons
from poserior.cli import main


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


def test_a_picture_is_one_person_and_the_file_says_what_python_says(run_folder, pictures, tmp_path, capsys):
    assert call(pictures, "--run", run_folder, "--output", tmp_path / "out") == 0
    results = read(tmp_path / "out")
    assert [entry["image_id"] for entry in results] == ["7.png", "b.jpg", "c.png"]
    assert results[0]["bbox"] == [0, 0, 50, 60]
    files = sorted(pictures.iterdir())
    for entry, (person,) in zip(results, inference.load(run_folder, device="cpu")(files), strict=True):
        # pixel indices in the file, continuous coordinates in Python
        found = np.array(entry["keypoints"]).reshape(-1, 3)
        assert found[:, :2] + 0.5 == pytest.approx(person.keypoints.numpy(), abs=1e-2)
        assert found[:, 2] == pytest.approx(person.confidence.numpy(), abs=1e-3)
        assert np.array(entry["covariance"]).reshape(14, 2, 2) == pytest.approx(
            person.covariance.numpy(), rel=1e-3, abs=1e-3
        )
        assert entry["score"] == pytest.approx(person.score, abs=1e-3)
        assert len(entry["visibility"]) == len(entry["confidence"]) == 14
    drawn = cv2.imread(str(tmp_path / "out" / "overlays" / "b.jpg"))
    assert drawn.shape == (288, 384, 3)  # six times 48 x 64
    assert {path.name for path in (tmp_path / "out" / "overlays").iterdir()} == {"7.png.jpg", "b.jpg", "c.png.jpg"}
    captured = capsys.readouterr()
    assert "3 people in 3 pictures" in captured.out
    assert "3/3" in captured.err


def test_runs_with_a_comma_are_an_ensemble(run_folder, pictures, tmp_path):
    assert call(pictures, "--run", f"{run_folder},{run_folder}", "--output", tmp_path / "two", "--no-overlays") == 0
    assert call(pictures, "--run", run_folder, "--output", tmp_path / "one", "--no-overlays") == 0
    for two, one in zip(read(tmp_path / "two"), read(tmp_path / "one"), strict=True):
        assert two["covariance"][0] == pytest.approx(one["covariance"][0], rel=1e-3, abs=1e-2)
        assert two["score"] == pytest.approx(one["score"], abs=1e-3)


def test_boxes_archive_threshold_and_no_overlays(run_folder, pictures, tmp_path, capsys):
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for path in sorted(pictures.iterdir()):
            archive.add(path, path.name)
    detections = [
        {"image_id": 7, "bbox": [5, 5, 30, 40], "score": 0.9, "category_id": 1},
        {"image_id": 7, "bbox": [5, 5, 20, 20], "score": 0.0001, "category_id": 1},
        {"image_id": "c", "bbox": [40, 5, 30, 20], "score": 0.8, "category_id": 1},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(detections))
    words = (tmp_path / "all.tar", "--run", run_folder, "--boxes", tmp_path / "boxes.json", "--no-overlays")
    assert call(*words, "--output", tmp_path / "all") == 0
    assert [(entry["image_id"], entry["bbox"][2]) for entry in read(tmp_path / "all")] == [(7, 30), (7, 20), ("c", 30)]
    assert not (tmp_path / "all" / "overlays").exists()
    assert "b.jpg: no boxes" in capsys.readouterr().err
    assert call(*words, "--score-threshold", "0.0002", "--output", tmp_path / "some") == 0
    assert [entry["bbox"][2] for entry in read(tmp_path / "some")] == [30, 30]


def test_predictions_can_be_evaluated(run_folder, pictures, tmp_path):
    """The two verbs and COCO's tools agree on the file: annotations made from it give an AP of 1."""
    assert call(pictures / "7.png", "--run", run_folder, "--output", tmp_path / "out", "--no-overlays") == 0
    (entry,) = read(tmp_path / "out")
    points = np.array(entry["keypoints"]).reshape(-1, 3)
    points[:, 2] = 2
    person = {"id": 1, "image_id": "7.png", "category_id": 1, "iscrowd": 0, "bbox": entry["bbox"], "area": 1500,
              "keypoints": points.flatten().tolist(), "num_keypoints": 14}  # fmt: skip
    labels = {
        "images": [{"id": "7.png", "file_name": "7.png"}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [person],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    words = ["evaluate", "--results", tmp_path / "out" / "results.json", "--annotations", tmp_path / "labels.json"]
    assert main([*map(str, words), "--skeleton", "lsp14", "--output", str(tmp_path / "ev")]) == 0
    metrics = json.loads((tmp_path / "ev" / "metrics.json").read_text())
    assert metrics["AP"] == pytest.approx(1, abs=1e-9)
    assert metrics["EPE"] == pytest.approx(0, abs=1e-3)


def test_unreadable_pictures_stop_or_are_skipped(run_folder, pictures, tmp_path, capsys):
    (pictures / "bad.jpg").write_bytes(b"no picture")
    assert call(pictures, "--run", run_folder, "--output", tmp_path / "out") == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "bad.jpg" in last
    assert "--skip-unreadable" in last
    assert not (tmp_path / "out" / "results.json").exists()
    assert call(pictures, "--run", run_folder, "--output", tmp_path / "out", "--skip-unreadable") == 0
    assert "bad.jpg" in capsys.readouterr().err
    assert len(read(tmp_path / "out")) == 3
    assert call(pictures / "bad.jpg", "--run", run_folder, "--output", tmp_path / "none", "--skip-unreadable") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.jpg", "--run", "run"], "nowhere.jpg"),
        (["empty", "--run", "run"], "empty"),
        (["pictures", "--run", "nowhere"], "nowhere"),
        (["pictures", "--run", "run", "--boxes", "missing.json"], "missing.json"),
        (["pictures", "--run", "run", "--boxes", "broken.json"], "broken.json"),
        (["pictures", "--run", "run", "--boxes", "other.json"], "name the pictures' files"),
        (["pictures", "--run", "run", "--batch-size", "0"], "batch size"),
        (["pictures", "--run", "run", "--output", "file"], "file"),
        (["pictures"], "run"),
        (["pictures", "--run", "run", "--colour", "red"], "colour"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(run_folder, pictures, tmp_path, words, message, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.json").write_text("[")
    (tmp_path / "other.json").write_text('[{"image_id": 99, "bbox": [1, 2, 3, 4], "score": 1}]')
    (tmp_path / "run").symlink_to(run_folder)
    monkeypatch.chdir(tmp_path)
    assert call(*words) == 2
    err = capsys.readouterr().err
    assert message in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("results.json"))


def test_many_pictures_go_through_in_chunks(run_folder, tmp_path, monkeypatch):
    from poserior.jobs import worker

    monkeypatch.setattr(worker, "PICTURES", 3)
    (tmp_path / "many").mkdir()
    for n in range(8):
        cv2.imwrite(str(tmp_path / "many" / f"{n}.png"), np.full((20, 20, 3), 30 * n, np.uint8))
    assert (
        call(tmp_path / "many", "--run", run_folder, "--output", tmp_path / "a", "--no-overlays", "--batch-size", 2)
        == 0
    )
    chunked = read(tmp_path / "a")
    assert [entry["image_id"] for entry in chunked] == [f"{n}.png" for n in range(8)]
    monkeypatch.setattr(worker, "PICTURES", 64)
    assert call(tmp_path / "many", "--run", run_folder, "--output", tmp_path / "b", "--no-overlays") == 0
    for one, other in zip(chunked, read(tmp_path / "b"), strict=True):
        assert one["keypoints"] == pytest.approx(other["keypoints"], abs=1e-3)


def test_the_astronaut(run_folder, real_data, tmp_path):
    assert call(real_data("sample_images/astronaut.png"), "--run", run_folder, "--output", tmp_path) == 0
    (entry,) = read(tmp_path)
    assert entry["bbox"] == [0, 0, 512, 512]
    assert len(entry["keypoints"]) == 3 * skeletons.load("lsp14").num_keypoints


def test_duplicates_go_where_asked(run_folder, pictures, tmp_path):
    box = {"image_id": "b.jpg", "bbox": [5, 5, 30, 40], "category_id": 1}
    boxes = tmp_path / "boxes.json"
    boxes.write_text(
        json.dumps([{**box, "score": 0.4}, {**box, "score": 0.9}, {**box, "image_id": "c.png", "score": 0.5}])
    )
    words = [
        pictures / "b.jpg",
        pictures / "c.png",
        "--run",
        run_folder,
        "--boxes",
        boxes,
        "--no-overlays",
        "--no-flip-test",
    ]
    assert call(*words, "--output", tmp_path / "all") == 0
    assert call(*words, "--oks-nms", 0.9, "--output", tmp_path / "best") == 0
    everybody = read(tmp_path / "all")
    assert len(everybody) == 3
    assert read(tmp_path / "best") == everybody[1:]


@pytest.fixture
def run_with_regions(run_folder):
    """The run with regions whose ellipses' scores were 0.1 to 1.9 for every keypoint."""
    from poserior.calibration import Conformal, RegionScores
    from poserior.models import load_model, save_model
    from poserior.post_hoc import calibrated

    radius = 0.1 * torch.arange(1.0, 20.0)[:, None].repeat(1, 14)
    regions = Conformal.fit(RegionScores(radius / 2, radius), radius > 0, torch.full((19,), 100.0))
    part = {"class_path": "Conformal", "init_args": {"labels": 19}}
    state, facts = regions.state_dict(), {"flip_test": True}
    save_model(*calibrated(*load_model(run_folder), "regions", part, state, facts), run_folder)
    return run_folder


def test_regions_are_in_the_file_and_the_coverage_can_be_chosen(run_with_regions, pictures, tmp_path):
    words = (pictures / "b.jpg", "--run", run_with_regions, "--output")
    assert call(*words, tmp_path / "usual") == 0
    (entry,) = read(tmp_path / "usual")
    assert entry["region_90"] == pytest.approx([1.8] * 14, abs=2e-4)
    assert call(*words, tmp_path / "asked", "--regions", "0.5") == 0
    (asked,) = read(tmp_path / "asked")
    assert asked["region_50"] == pytest.approx([1.0] * 14, abs=2e-4)
    assert "region_90" not in asked
    wide, narrow = (cv2.imread(str(tmp_path / name / "overlays" / "b.jpg")) for name in ("usual", "asked"))
    assert (wide != narrow).any()
    # more than 19 labels are needed for 97.5 %
    assert call(*words, tmp_path / "much", "--regions", "0.975", "--no-overlays") == 0
    assert read(tmp_path / "much")[0]["region_97.5"] == [None] * 14
    # fitted with the flip test: without it they are not given unless asked for, and then refused
    assert call(*words, tmp_path / "plain", "--no-flip-test", "--no-overlays") == 0
    assert "region_90" not in read(tmp_path / "plain")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--regions", "0.9"], "poserior calibrate --method conformal"),
        (["--regions", "90"], "between 0 and 1"),
        (["--regions", "many"], "regions"),
    ],
)
def test_regions_that_there_are_not_are_one_sentence(run_folder, pictures, tmp_path, words, message, capsys):
    assert call(pictures, "--run", run_folder, "--output", tmp_path / "out", *words) == 2
    err = capsys.readouterr().err
    assert message in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
