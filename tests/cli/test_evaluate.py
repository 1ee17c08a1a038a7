import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from poserior import skeletons
from poserior.cli import main

LSP = skeletons.load("lsp14")


def annotations(skeleton, count=4):
    rng = np.random.default_rng(0)
    people = []
    for n in range(count):
        points = np.concatenate(
            [rng.uniform(5, 55, (skeleton.num_keypoints, 2)), np.full((skeleton.num_keypoints, 1), 2)], 1
        )
        people.append(
            {"id": n + 1, "image_id": n + 1, "category_id": 1, "iscrowd": 0, "area": 1500.0, "bbox": [5, 5, 50, 50],
             "keypoints": points.flatten().tolist(), "num_keypoints": skeleton.num_keypoints}
        )  # fmt: skip
    return {
        "images": [{"id": n + 1, "file_name": f"{n + 1}.png", "width": 60, "height": 60} for n in range(count)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.keypoints)}],
        "annotations": people,
    }


@pytest.fixture
def data(tmp_path):
    """Pictures, annotations, and results that are off by (3, 4) pixels."""
    (tmp_path / "images").mkdir()
    content = annotations(LSP)
    rng = np.random.default_rng(1)
    for image in content["images"]:
        cv2.imwrite(str(tmp_path / "images" / image["file_name"]), rng.integers(0, 255, (60, 60, 3), dtype=np.uint8))
    (tmp_path / "labels.json").write_text(json.dumps(content))
    results = []
    for n, person in enumerate(content["annotations"]):
        points = np.array(person["keypoints"]).reshape(-1, 3) + np.array([3, 4, 0])
        points[:, 2] = 1
        results.append(
            {
                "image_id": person["image_id"],
                "category_id": 1,
                "keypoints": points.flatten().tolist(),
                "score": 0.1 + 0.2 * n,
            }
        )
    (tmp_path / "results.json").write_text(json.dumps(results))
    return tmp_path


def call(*words):
    return main(["evaluate", *map(str, words)])


def test_a_run_leaves_metrics_and_a_report(run_folder, data, capsys):
    code = call(
        "--run",
        run_folder,
        "--annotations",
        data / "labels.json",
        "--images",
        data / "images",
        "--output",
        data / "out",
    )
    assert code == 0
    metrics = json.loads((data / "out" / "metrics.json").read_text())
    for key in ("AP", "AP50", "AP75", "APM", "APL", "AR", "PCK@0.2", "EPE", "NLL", "coverage@50", "coverage@80",
                "coverage@90", "coverage@95", "pearson", "spearman", "AUSE"):  # fmt: skip
        assert key in metrics
    assert set(metrics["per_keypoint"]) == set(LSP.keypoints)
    assert metrics["num_people"] == 4
    assert metrics["num_keypoints"] == 56
    assert metrics["EPE"] > 1
    assert (
        "left_ankle" in (data / "out" / "report.html").read_text()
        or "left ankle" in (data / "out" / "report.html").read_text()
    )
    out = capsys.readouterr().out
    assert str(data / "out") in out
    assert "NLL" in out


def test_the_default_folder_stands_beside_the_run(run_folder, data, capsys):
    words = ("--annotations", data / "labels.json", "--images", data / "images", "--no-flip-test")
    assert call("--run", run_folder, *words) == 0
    assert (run_folder / "evaluation-labels" / "metrics.json").is_file()
    assert str(run_folder / "evaluation-labels") in capsys.readouterr().out


def test_runs_with_a_comma_are_an_ensemble(run_folder, data, tmp_path):
    second = tmp_path / "second"
    shutil.copytree(run_folder, second)
    words = ("--annotations", data / "labels.json", "--images", data / "images")
    assert call("--run", f"{run_folder},{second}", *words) == 0
    metrics = json.loads((run_folder.parent / "run+second-evaluation-labels" / "metrics.json").read_text())
    # Twice the same member: the mixture is the member.
    assert call("--run", second, *words) == 0
    alone = json.loads((second / "evaluation-labels" / "metrics.json").read_text())
    assert metrics["NLL"] == pytest.approx(alone["NLL"], abs=1e-4)


def test_a_results_file_is_measured_without_a_density(data, capsys):
    words = ("--results", data / "results.json", "--annotations", data / "labels.json", "--skeleton", "lsp14")
    assert call(*words) == 0
    assert not (data / "evaluation-labels" / "report.html").exists()  # a results file is measured at once
    assert call(*words, "--report") == 0
    metrics = json.loads((data / "evaluation-labels" / "metrics.json").read_text())
    assert metrics["EPE"] == pytest.approx(5.0, abs=1e-4)
    assert metrics["PCK@0.2"] == 1.0  # 5 pixels, a fifth of the box's 50 is 10
    assert metrics["NLL"] is None
    assert metrics["num_people"] == metrics["num_matched"] == 4
    # exp(-25 / (2 x 1500 x (2 sigma)^2)) by hand, averaged over the keypoints, alike for all people
    oks = np.exp(-25 / (2 * 1500 * (2 * np.array(LSP.oks_sigmas)) ** 2)).mean()
    assert metrics["OKS"] == pytest.approx(oks, abs=1e-4)
    passed = np.mean(oks >= np.arange(0.5, 0.951, 0.05))
    assert metrics["AP"] == pytest.approx(passed, abs=1e-6)
    assert (data / "evaluation-labels" / "report.html").is_file()
    assert "density" not in capsys.readouterr().err


def test_people_without_a_result_count_in_ap_and_are_told(data):
    results = json.loads((data / "results.json").read_text())
    (data / "some.json").write_text(json.dumps(results[:1]))
    words = ("--results", data / "some.json", "--annotations", data / "labels.json", "--skeleton", "lsp14")
    assert call(*words, "--output", data / "some") == 0
    metrics = json.loads((data / "some" / "metrics.json").read_text())
    assert (metrics["num_people"], metrics["num_matched"]) == (4, 1)
    assert metrics["EPE"] == pytest.approx(5.0, abs=1e-4)
    assert metrics["AR"] < 0.3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--annotations", "labels.json"], "either --run or --results"),
        (["--run", "run", "--results", "results.json", "--annotations", "labels.json"], "either --run or --results"),
        (["--run", "run", "--annotations", "labels.json"], "--images"),
        (["--run", "nowhere", "--annotations", "labels.json", "--images", "images"], "nowhere"),
        (["--run", "run", "--annotations", "missing.json", "--images", "images"], "missing.json"),
        (["--run", "run", "--annotations", "broken.json", "--images", "images"], "broken.json"),
        (["--run", "run", "--annotations", "coco.json", "--images", "images"], "14 keypoints"),
        (["--run", "run", "--annotations", "labels.json", "--images", "nowhere"], "nowhere"),
        (["--results", "missing.json", "--annotations", "labels.json"], "missing.json"),
        (["--results", "broken.json", "--annotations", "labels.json"], "broken.json"),
        (["--results", "labels.json", "--annotations", "labels.json"], "list of results"),
        (["--results", "results.json", "--annotations", "results.json"], "COCO annotations"),
        (["--results", "results.json", "--annotations", "labels.json"], "coco17"),
        (["--results", "results.json", "--annotations", "labels.json", "--skeleton", "nobody"], "nobody"),
        (["--results", "results.json"], "annotations"),
        (["--results", "results.json", "--annotations", "labels.json", "--batch-size", "many"], "batch"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(run_folder, data, words, message, capsys, monkeypatch):
    (data / "broken.json").write_text('{"images": [')
    (data / "coco.json").write_text(json.dumps(annotations(skeletons.load("coco17"))))
    (data / "run").symlink_to(run_folder)
    monkeypatch.chdir(data)
    before = sorted(data.rglob("*"))
    assert call(*words) == 2
    err = capsys.readouterr().err.strip()
    assert message in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    assert sorted(data.rglob("*")) == before


def test_help_loads_no_torch():
    code = (
        "import sys, poserior.cli.evaluate as e, poserior.cli.predict as p; e.parser(); p.parser();"
        " assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_real_pictures_with_a_model_that_knows_nothing(run_folder_coco, real_data, tmp_path):
    folder = real_data("coco_images")
    words = ("--annotations", folder / "annotations.json", "--images", folder / "images.tar", "--output", tmp_path)
    assert call("--run", run_folder_coco, *words) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["num_people"] == 393
    assert metrics["AP"] < 0.05


@pytest.fixture
def detections(data):
    """The annotated boxes; the first once more, moved by a hair; one that hardly scores; another category's."""
    boxes = [{"image_id": n + 1, "category_id": 1, "bbox": [5, 5, 50, 50], "score": 0.5 + 0.1 * n} for n in range(4)]
    boxes.append({"image_id": 1, "category_id": 1, "bbox": [5, 5, 50, 50.01], "score": 0.4})
    boxes.append({"image_id": 2, "category_id": 1, "bbox": [0, 0, 20, 20], "score": 0.01})
    boxes.append({"image_id": 3, "category_id": 2, "bbox": [5, 5, 50, 50], "score": 1.0})
    path = data / "boxes.json"
    path.write_text(json.dumps(boxes))
    return path


def of_boxes(run_folder, data, detections, *words):
    files = ["--annotations", data / "labels.json", "--images", data / "images", "--output", data / "out"]
    code = call("--run", run_folder, *files, "--boxes", detections, *words)
    return code, data / "out"


def test_detected_boxes(run_folder, data, detections, capsys):
    code, out = of_boxes(run_folder, data, detections, "--score-threshold", 0.1)
    assert code == 0
    results = json.loads((out / "results.json").read_text())
    assert [entry["image_id"] for entry in results] == [1, 2, 3, 4]  # the double has gone, the better box stayed
    for entry, box_score in zip(results, (0.5, 0.6, 0.7, 0.8), strict=True):
        # fused: the box's score times the mean confidence (this run has no opinion on visibility but a constant)
        weights = np.array(entry["visibility"])
        expected = box_score * (weights * entry["confidence"]).sum() / weights.sum()
        assert entry["score"] == pytest.approx(expected, abs=2e-4)
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["num_people"], metrics["num_matched"], metrics["num_results"]) == (4, 4, 4)
    assert (out / "report.html").stat().st_size > 10_000
    # the same people in the annotated boxes give the same AP, EPE and so on
    assert call("--run", run_folder, "--annotations", data / "labels.json", "--images", data / "images",
                "--output", data / "given") == 0  # fmt: skip
    given = json.loads((data / "given" / "metrics.json").read_text())
    for key in ("AP", "EPE", "PCK@0.2", "OKS", "pearson"):
        assert metrics[key] == pytest.approx(given[key], abs=1e-3)


def test_all_boxes_or_the_best_of_each_picture(run_folder, data, detections):
    code, out = of_boxes(run_folder, data, detections, "--oks-nms", "null", "--no-flip-test")
    assert code == 0
    assert len(json.loads((out / "results.json").read_text())) == 6
    code, out = of_boxes(run_folder, data, detections, "--oks-nms", "null", "--max-boxes", 1, "--no-flip-test")
    assert code == 0
    assert [entry["image_id"] for entry in json.loads((out / "results.json").read_text())] == [1, 2, 3, 4]


def test_boxes_that_cannot_be_used(run_folder, data, detections, capsys):
    assert of_boxes(run_folder, data, detections, "--score-threshold", 2)[0] == 2
    assert "lower --score-threshold" in capsys.readouterr().err
    words = ["--results", data / "results.json", "--annotations", data / "labels.json", "--boxes", detections]
    assert call(*words) == 2
    assert "expected --boxes with --run" in capsys.readouterr().err
