import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from poserior import skeletons
from poserior.cli import main
from poserior.cli.report import _same_people
from poserior.errors import InputError
from poserior.structures import Evaluation

POINTS = [[10, 10], [12, 9], [8, 9], [14, 10], [6, 10], [18, 20], [3, 20], [20, 30], [2, 30], [22, 40], [1, 40]]
POINTS += [[16, 45], [5, 45], [17, 60], [4, 60], [18, 75], [3, 75]]


def triples(shift, third):
    return [value for x, y in POINTS for value in (x + shift, y + 1.5 * shift, third)]


@pytest.fixture
def files(tmp_path):
    """Labels of six people, and two answers: both miss the last but one, the second is worse and misses the first."""
    people = [
        {"id": n + 1, "image_id": n, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 30, 80], "area": 1200.0}
        | {"keypoints": triples(0, 2), "num_keypoints": 17}
        for n in range(6)
    ]
    content = {"images": [{"id": n} for n in range(6)], "annotations": people, "categories": [{"id": 1, "name": "p"}]}
    paths = {"labels": tmp_path / "labels.json", "good": tmp_path / "good.json", "bad": tmp_path / "bad.json"}
    paths["labels"].write_text(json.dumps(content), encoding="utf-8")
    for name, shift, absent in (("good", 0.5, (4,)), ("bad", 3.0, (0, 4))):
        results = [
            {"image_id": n, "category_id": 1, "score": 0.5 + n / 20, "keypoints": triples(shift, 0.5 + n / 20)}
            for n in range(6)
            if n not in absent
        ]
        paths[name].write_text(json.dumps(results), encoding="utf-8")
    return {name: str(path) for name, path in paths.items()}


def test_results_side_by_side_on_the_people_that_both_have(files, tmp_path, capsys):
    words = ["report", "--results", files["good"], files["bad"], "--annotations", files["labels"]]
    assert main([*words, "--output", str(tmp_path / "page")]) == 0
    metrics = json.loads((tmp_path / "page" / "metrics.json").read_text())
    assert list(metrics) == ["good", "bad"]
    assert (metrics["good"]["num_matched"], metrics["bad"]["num_matched"], metrics["bad"]["num_people"]) == (5, 4, 6)
    assert metrics["good"]["EPE"] == pytest.approx(0.5 * 3.25**0.5, rel=1e-4)  # each over the people it has
    assert metrics["bad"]["EPE"] == pytest.approx(3.0 * 3.25**0.5, rel=1e-4)
    page = (tmp_path / "page" / "report.html").read_text()
    assert "4 that all of them answered" in page
    assert "good and bad" in page
    assert "| good" in capsys.readouterr().out


@pytest.fixture
def data(tmp_path):
    """Eight people in pictures of noise, of a skeleton with 14 keypoints; and an answer off by (3, 4) pixels."""
    (tmp_path / "images").mkdir()
    rng, names = np.random.default_rng(0), skeletons.load("lsp14").keypoints
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person", "keypoints": names}]}
    results = []
    for n in range(1, 9):
        assert cv2.imwrite(str(tmp_path / "images" / f"{n}.png"), rng.integers(0, 255, (70, 60, 3), dtype=np.uint8))
        points = np.concatenate([rng.uniform(8, 52, (14, 2)), np.full((14, 1), 2.0)], 1)
        content["images"].append({"id": n, "file_name": f"{n}.png", "width": 60, "height": 70})
        person = {"image_id": n, "category_id": 1, "keypoints": points.flatten().tolist()}
        size = {"bbox": [5, 5, 50, 50], "area": 1500.0, "iscrowd": 0, "num_keypoints": 14}
        content["annotations"].append(person | size | {"id": n})
        points += np.array([3, 4, -1])
        results.append(person | {"keypoints": points.flatten().tolist(), "score": n / 10})
    (tmp_path / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "moved.json").write_text(json.dumps(results), encoding="utf-8")
    return tmp_path


def test_runs_and_results_side_by_side(run_folder, data, capsys):
    """A run's numbers are those of evaluate; all stand in one table and one page."""
    other = shutil.copytree(run_folder, data / "other")
    weights = {name: value + 0.001 for name, value in load_file(other / "model.safetensors").items() if "head" in name}
    save_file(load_file(other / "model.safetensors") | weights, other / "model.safetensors")
    where = ["--annotations", str(data / "labels.json"), "--images", str(data / "images"), "--device", "cpu"]
    words = ["report", str(run_folder), str(other), "--results", str(data / "moved.json"), *where]
    assert main([*words, "--title", "Three answers", "--output", str(data / "page")]) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((data / "page" / "metrics.json").read_text())
    assert list(metrics) == ["run", "other", "moved"]
    assert main(["evaluate", "--run", str(other), *where, "--output", str(data / "alone"), "--no-report"]) == 0
    alone = json.loads((data / "alone" / "metrics.json").read_text())
    for key in ("NLL", "EPE", "OKS", "coverage@90", "AP"):
        assert metrics["other"][key] == pytest.approx(alone[key], rel=1e-5), key
    assert metrics["run"]["NLL"] != metrics["other"]["NLL"]
    assert metrics["moved"]["EPE"] == pytest.approx(5.0, rel=1e-5)
    assert metrics["moved"]["NLL"] is None
    for name in metrics:
        assert f"| {name} " in printed
    page = (data / "page" / "report.html").read_text()
    assert "<title>Three answers</title>" in page
    assert f"{run_folder}, {other}" in page
    assert "data:image/" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")


def test_runs_on_their_own_validation_data(run_folder, data, capsys, monkeypatch):
    config = {
        "train_data": {"class_path": "Figures", "init_args": {"length": 4}},
        "val_data": {"class_path": "CocoKeypoints", "init_args": {
            "annotations": str(data / "labels.json"), "images": str(data / "images"), "skeleton": "lsp14"}},
    }  # fmt: skip
    (run_folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    given = {}
    monkeypatch.setattr("poserior.report.write_report", lambda *_, **options: given.update(options))
    words = ["report", str(run_folder), "--device", "cpu", "--no-flip-test", "--output", str(data / "page")]
    assert main(words) == 0
    metrics = json.loads((data / "page" / "metrics.json").read_text())
    assert (list(metrics), metrics["run"]["num_people"]) == (["run"], 8)
    assert (given["title"], given["facts"]["Flip test"], given["facts"]["People"]) == ("run", "no", "8")
    assert given["facts"]["Data"] == "validation data of run (CocoKeypoints)"
    assert f"{metrics['run']['NLL']:.4g}" in capsys.readouterr().out


def test_runs_of_two_skeletons_are_refused(run_folder, run_folder_coco, data, capsys):
    where = ["--annotations", str(data / "labels.json"), "--images", str(data / "images"), "--device", "cpu"]
    assert main(["report", str(run_folder), str(run_folder_coco), *where, "--output", str(data / "page")]) == 2
    assert "expected all runs to have the skeleton lsp14, found coco17" in capsys.readouterr().err
    assert not (data / "page").exists()


def test_people_are_set_in_one_order():
    def evaluation(name, ids):
        count = len(ids)
        points = torch.tensor(ids, dtype=torch.float32)[:, None, None].expand(count, 17, 2).clone()
        return Evaluation(
            name=name,
            skeleton=skeletons.load("coco17"),
            image_id=tuple(ids),
            annotation_id=tuple(ids),
            keypoints=points,
            confidence=torch.ones(count, 17),
            score=torch.ones(count),
            target=points,
            target_visibility=torch.full((count, 17), 2),
            area=torch.ones(count),
            box_xyxy=torch.ones(count, 4),
        )

    (one, two), places = _same_people([evaluation("a", [5, 3, 8, 1]), evaluation("b", [1, 9, 3])])
    assert (one.image_id, two.image_id, places) == ((3, 1), (3, 1), [1, 3])
    assert two.keypoints[:, 0, 0].tolist() == [3.0, 1.0]
    assert two.covariance is None
    with pytest.raises(InputError, match="some people that all answers are about"):
        _same_people([evaluation("a", [1]), evaluation("b", [2])])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "expected run folders, or --results FILE, found neither"),
        (["--results", "r.json"], "expected --annotations with --results"),
        (["run", "--annotations", "a.json"], "expected both --annotations and --images"),
        (["run", "run"], "found one twice"),
    ],
)
def test_what_makes_no_sense_is_refused(words, says, tmp_path, capsys):
    assert main(["report", *words, "--output", str(tmp_path / "page")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "page").exists()
