import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from poserior import post_hoc, skeletons
from poserior.calibration import picture_hash
from poserior.cli import main
from poserior.inference import recalibrate_results
from poserior.models import load_model

LSP = skeletons.load("lsp14")
SIGMAS = np.array(LSP.oks_sigmas)


def people(count=120, seed=0):
    """Annotations of one person per picture, and results whose scores are too sure of the small ones."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for n in range(count):
        side = float(rng.choice([40, 160]))
        truth = rng.uniform(20, 20 + side, (14, 2)).round(2)
        area = 0.5 * side**2
        difficulty = rng.gamma(2, 0.4, 14) * (2 if side < 100 else 1)
        said = truth + rng.normal(size=(14, 2)) * (2 * SIGMAS * np.sqrt(area) * difficulty)[:, None]
        score = 1 / (1 + difficulty / (2 if side < 100 else 1))
        annotations.append(
            {"id": n + 1, "image_id": n + 1, "category_id": 1, "iscrowd": 0, "area": area, "num_keypoints": 14,
             "bbox": [20, 20, side, side], "keypoints": np.c_[truth, np.full(14, 2)].flatten().tolist()}
        )  # fmt: skip
        results.append(
            {"image_id": n + 1, "category_id": 1, "keypoints": np.c_[said, score].flatten().tolist(),
             "score": float(score.mean()), "bbox": [20, 20, side, side], "mine": {"kept": n}}
        )  # fmt: skip
    content = {
        "images": [{"id": n + 1, "file_name": f"{n + 1}.png"} for n in range(count)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(LSP.keypoints)}],
        "annotations": annotations,
    }
    return content, results


@pytest.fixture
def files(tmp_path):
    content, results = people()

    def write(change=None):
        if change is not None:
            change(content, results)
        (tmp_path / "labels.json").write_text(json.dumps(content))
        (tmp_path / "results.json").write_text(json.dumps(results))
        return tmp_path

    return write


def call(folder, *words, method="isotonic"):
    return main(
        ["calibrate", "--results", str(folder / "results.json"), "--annotations", str(folder / "labels.json"),
         "--skeleton", "lsp14", "--method", method, "--output", str(folder / "out"), *words]
    )  # fmt: skip


def official(content, results):
    """pycocotools alone."""
    truth = COCO()
    truth.dataset = content
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes([dict(r) for r in results]), "keypoints")
    evaluation.params.kpt_oks_sigmas = SIGMAS
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


def test_scores_change_and_nothing_else(files, capsys):
    def more(content, results):  # false detections, half as sure
        for n in range(30):
            false = json.loads(json.dumps(results[n]))
            points = np.array(false["keypoints"]).reshape(-1, 3)
            points[:, :2] += 500
            results.append(false | {"keypoints": points.flatten().tolist(), "bbox": [520, 520, 40, 40]})

    folder = files(more)
    assert call(folder, "--folds", "4") == 0
    given, got = (json.loads((folder / name).read_text()) for name in ("results.json", "out/results.json"))
    assert len(got) == 150
    for before, after in zip(given, got, strict=True):
        assert set(after) == set(before)
        assert after["mine"] == before["mine"]
        assert after["bbox"] == before["bbox"]
        for axis in (0, 1):
            assert after["keypoints"][axis::3] == before["keypoints"][axis::3]  # to the last bit
        assert all(0 <= value <= 1 for value in [*after["keypoints"][2::3], after["score"]])
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    before, after = metrics["before"], metrics["after"]
    assert set(before) == set(after) >= {"AP", "AP50", "AR", "AUSE", "ECE", "pearson", "num_people", "num_matched"}
    assert (after["num_people"], after["num_matched"], after["num_results"]) == (120, 120, 150)
    # scores alone changed, one result per person: every person is found as before
    assert after["AR"] == pytest.approx(before["AR"], abs=1e-12)
    assert after["OKS"] == before["OKS"]
    assert after["AP"] > before["AP"]
    assert after["AUSE"] < before["AUSE"]
    assert after["ECE"] < 0.5 * before["ECE"]
    content = json.loads((folder / "labels.json").read_text())
    for values, entries in ((before, given), (after, got)):
        stats = official(content, entries)
        assert [values[key] for key in ("AP", "AP50", "AP75", "AR")] == pytest.approx(stats[[0, 1, 2, 5]], abs=1e-9)
    page = (folder / "out" / "report.html").read_text()
    assert "before" in page
    assert "after" in page
    out = capsys.readouterr().out
    assert f"{after['AP']:.4f}" in out
    assert "150 results, 120 of them beside one of 120 people" in out


def scores(results):
    return [[*result["keypoints"][2::3], result["score"]] for result in results]


def test_a_persons_own_label_does_not_change_its_scores():
    content, results = people()
    first = scores(recalibrate_results(results, content, LSP, "isotonic", 4))
    content["annotations"][7]["keypoints"][0:3] = [20, 20, 0]
    content["annotations"][7]["keypoints"][3] += 30
    second = scores(recalibrate_results(results, content, LSP, "isotonic", 4))
    assert second[7] == first[7]
    assert second != first


def test_scores_of_any_range_are_mapped_first():
    content, results = people()
    for result in results:
        result["keypoints"][2::3] = [2.0] * 14  # flags: every keypoint starts from its person's score
    low = min(result["score"] for result in results)
    high = max(result["score"] for result in results)
    unit = [{**result, "score": (result["score"] - low) / (high - low)} for result in results]
    wide = [{**result, "score": 12 * result["score"] - 3} for result in unit]
    first, second = (np.array(scores(recalibrate_results(given, content, LSP, "beta", 4))) for given in (unit, wide))
    assert second == pytest.approx(first, abs=1e-4)
    assert np.ptp(second[:, -1]) > 0.1


def equal(content, results):
    for result in results:
        result["score"] = 0.5
        result["keypoints"][2::3] = [1.0] * 14


def test_equal_scores_leave_the_pose(files):
    folder = files(equal)
    assert call(folder, "--folds", "4", method="boosting") == 0
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["before"]["pearson"] is None
    assert metrics["after"]["pearson"] > 0.2  # the small people's errors are larger


def test_people_without_area_get_their_boxs():
    content, results = people()
    for person in content["annotations"]:
        person["area"] = 0.53 * person["bbox"][2] * person["bbox"][3]
    first = recalibrate_results(results, content, LSP, "beta", 4)
    for person in content["annotations"][::2]:
        person["area"] = 0
    assert np.array(scores(recalibrate_results(results, content, LSP, "beta", 4))) == pytest.approx(
        np.array(scores(first)), abs=1e-9
    )


def test_results_on_crowds_and_unlabelled_people_teach_nothing():
    content, results = people()
    for n in range(20):  # false detections far away from the people, like one another
        points = np.array(results[n]["keypoints"]).reshape(-1, 3) + np.array([500, 500, 0])
        results.append({**results[n], "keypoints": points.flatten().tolist(), "bbox": [520, 520, 160, 160]})
    false = scores(recalibrate_results(results, content, LSP, "beta", 4))
    for n in range(20):
        content["annotations"].append(
            {"id": 1000 + n, "image_id": n + 1, "category_id": 1, "iscrowd": n % 2, "area": 12800, "num_keypoints": 0,
             "bbox": [520, 520, 160, 160], "keypoints": [0] * 42}
        )  # fmt: skip
    ignored = scores(recalibrate_results(results, content, LSP, "beta", 4))
    # without the false ones, all are worth more; keypoints are learnt from matched people alone
    assert np.array(ignored)[:, -1].mean() > np.array(false)[:, -1].mean() + 0.02
    assert np.array(ignored)[:, :-1] == pytest.approx(np.array(false)[:, :-1], abs=1e-12)


def _few(content, results):
    del content["annotations"][60:], results[60:]


def _no_size(content, results):
    content["annotations"][3].update(area=0, bbox=[20, 20, 0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, r: r[4].update(score=float("nan")), "expected a finite number as 'score' of result 4"),
        (lambda c, r: r[4]["keypoints"].__setitem__(2, float("nan")), "finite numbers as 'keypoints' of result 4"),
        (equal, "scores that differ for the method isotonic, found them all equal"),
        (_few, "about 84 in all), found 36 of 60; annotate more people"),
        (lambda c, r: r.clear(), "found an empty list"),
        (lambda c, r: c["annotations"].clear(), "expected at least one annotated person"),
        (lambda c, r: c["images"].clear(), "expected an image_id that the annotations list"),
        (lambda c, r: r[0].update(image_id=777), "found 777 in result 0"),
        (lambda c, r: r.append(dict(r[9])), "found two identical ones in picture 10"),
        (lambda c, r: c["annotations"][5].update(id=2), "every id once in 'annotations', found 2 more than once"),
        (lambda c, r: c["images"].append({"id": 3}), "every id once in 'images', found 3 more than once"),
        (lambda c, r: r[2]["keypoints"].extend([1, 1, 1]), "14 keypoints) as 'keypoints' of result 2"),
        (lambda c, r: c["annotations"][2]["keypoints"].pop(), "14 keypoints) as 'keypoints' of annotation 3"),
        (lambda c, r: c["categories"][0]["keypoints"].reverse(), "another order (head_top where right_ankle"),
        (lambda c, r: c["categories"][0]["keypoints"].pop(), "found 13 (right_ankle"),
        (_no_size, "a positive number as 'area'"),
        (lambda c, r: r[0].update(category_id=2), "results of one category, found 1, 2"),
        (lambda c, r: [x.update(category_id=5) for x in r], "found 5; choose one"),
        (lambda c, r: r[0].pop("score"), "the key 'score' in result 0"),
        (lambda c, r: r[0].pop("image_id"), "the key 'image_id' in result 0"),
        (lambda c, r: [x.update(image_id=1) for x in r], "expected at least one picture per fold (5), found 1"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(change, message, files, capsys):
    folder = files(change)
    assert call(folder) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "either --run or --results"),
        (["--run", "a", "--results", "b"], "either --run or --results"),
        (["--results", "b", "--output", "c"], "expected --annotations with --results"),
        (["--results", "b", "--annotations", "a"], "expected --output with --results"),
        (["--results", "b", "--annotations", "a", "--output", "c"], "expected a readable JSON file at"),
        (["--results", "b", "--method", "ccnet"], "--method among boosting, isotonic, beta, mlp with --results"),
        (["--results", "b", "--fit-share", "0.5"], "--fit-share only with --run"),
        (["--results", "b", "--no-flip-test"], "--flip-test only with --run"),
        (["--results", "b", "--images", "i"], "--images only with --run"),
        (["--results", "R", "--annotations", "A", "--output", "o", "--folds", "2"], "at least 3 folds, found 2"),
        (["--run", "a"], "--method among closed-form, ccnet, scale, conformal with --run, found none"),
        (["--run", "a", "--method", "isotonic"], "--method among closed-form, ccnet, scale, conformal with --run"),
        (["--run", "a", "--folds", "3"], "--folds only with --results"),
        (["--run", "a", "--skeleton", "lsp14"], "--skeleton only with --results"),
        (["--run", "RUN", "--method", "scale", "--fit-share", "0"], "--fit-share above 0 and up to 1"),
        (["--run", "RUN", "--method", "scale", "--people", "0"], "--people from 1"),
        (["--run", "RUN", "--method", "scale", "--images", "i"], "--annotations and --images together"),
        (["--run", "RUN", "--method", "scale", "--output", "RUN"], "found the run itself"),
        (["--run", "nowhere", "--method", "scale"], "expected a run folder"),
    ],
)
def test_bad_words_are_refused_in_one_sentence(words, message, files, run_folder, capsys, tmp_path):
    files()
    places = {"RUN": run_folder, "R": tmp_path / "results.json", "A": tmp_path / "labels.json"}
    assert main(["calibrate", *(str(places.get(word, word)) for word in words)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.fixture
def figures(run_folder_coco, tmp_path):
    """A run, and 12 generated people with their pictures."""
    from poserior.datasets import Figures
    from poserior.datasets.figures import write_coco

    write_coco(Figures(length=12, seed=5, picture_size=(48, 40), supersample=1), tmp_path / "data")
    run = shutil.copytree(run_folder_coco, tmp_path / "run")
    (run / "config.yaml").write_text("seed: 3\n")
    return run, tmp_path / "data"


@pytest.fixture
def sharper(monkeypatch):
    """In place of a fit: the head's last layer moves, and whom it was given is kept."""
    seen = {}

    def fit(model, spec, people, *, source, flip_test=True, batch_size=64, workers=0, progress=True):
        seen.update(image_id=[sample.image_id for sample in people], source=source, flip_test=flip_test)
        fresh, described = post_hoc.calibrated(
            model, spec, "calibrator", spec.calibrator, model.calibrator.state_dict(), {"people": len(people)}
        )
        with torch.no_grad():
            fresh.head.get_parameter(next(name for name, _ in fresh.head.named_parameters())).add_(0.01)
        return fresh, described

    monkeypatch.setattr(post_hoc, "closed_form", fit, raising=False)
    return seen


def words_for(run, data, *more):
    return ["calibrate", "--run", str(run), "--annotations", str(data / "annotations.json"), "--images",
            str(data / "images"), "--method", "closed-form", *more]  # fmt: skip


def test_a_run_is_fitted_on_some_pictures_and_checked_on_others(figures, sharper, capsys):
    run, data = figures
    assert main(words_for(run, data, "--no-flip-test", "--batch-size", "5")) == 0
    output = run / "calibrated-closed-form"
    numbers = [person["image_id"] for person in json.loads((data / "annotations.json").read_text())["annotations"]]
    expected = [number for number in numbers if picture_hash(number) < 0.5]
    assert sharper["image_id"] == expected
    assert 0 < len(expected) < 12
    assert sharper["flip_test"] is False
    assert "annotations.json" in sharper["source"]
    assert yaml.safe_load((output / "config.yaml").read_text()) == {"seed": 3}
    _, spec = load_model(output)
    assert spec.fitted_on == {"calibrator": {"people": len(expected)}}
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["before"]["num_people"] == metrics["after"]["num_people"] == 12 - len(expected)
    assert metrics["before"]["NLL"] != metrics["after"]["NLL"]
    assert (output / "report.html").is_file()
    out = capsys.readouterr().out
    assert "coverage@95" in out
    assert f"fitted on {len(expected)} people, checked on {12 - len(expected)}" in out


def test_nothing_is_reported_where_nothing_is_held_out(figures, sharper, capsys):
    run, data = figures
    assert main(words_for(run, data, "--fit-share", "1", "--output", str(run.parent / "all"))) == 0
    assert len(sharper["image_id"]) == 12
    assert sorted(path.name for path in (run.parent / "all").iterdir()) == [
        "config.yaml", "model.safetensors", "model.yaml"
    ]  # fmt: skip
    assert "nothing held out" in capsys.readouterr().out


def test_real_fits_end_to_end(run_folder_coco, tmp_path, capsys):
    """Regions that hold about what they promise on other people, and a confidence that moves no point."""
    from poserior.datasets import Figures
    from poserior.datasets.figures import write_coco

    write_coco(Figures(length=130, seed=5, picture_size=(48, 40), supersample=1), tmp_path / "data")
    metrics = {}
    for method in ("conformal", "ccnet"):
        output = tmp_path / method
        words = words_for(run_folder_coco, tmp_path / "data", "--no-flip-test", "--output", str(output))
        assert main([method if word == "closed-form" else word for word in words]) == 0
        metrics[method] = json.loads((output / "metrics.json").read_text())
    assert "conformal ellipses, promised and held: 50 %:" in capsys.readouterr().out
    held = metrics["conformal"]["after"]["regions"]
    assert list(held) == ["50", "80", "90", "95"]
    assert held["90"] == pytest.approx(0.9, abs=0.1)
    assert held["50"] == pytest.approx(0.5, abs=0.15)
    before, after = metrics["ccnet"]["before"], metrics["ccnet"]["after"]
    assert (after["PCK@0.2"], after["EPE"], after["NLL"], after["AR"]) == (
        before["PCK@0.2"], before["EPE"], before["NLL"], before["AR"]
    )  # fmt: skip
    assert after["ECE"] < before["ECE"]


def test_people_limits_and_one_side_may_not_be_empty(figures, sharper, capsys):
    run, data = figures
    assert main(words_for(run, data, "--people", "4", "--fit-share", "1", "--output", str(run.parent / "few"))) == 0
    assert len(sharper["image_id"]) == 4
    assert main(words_for(run, data, "--people", "1")) == 2
    assert "people to fit on and others to check on" in capsys.readouterr().err


def test_a_fit_that_fails_leaves_nothing(figures, monkeypatch):
    from poserior.errors import InputError

    def refuse(*args, **kwargs):
        raise InputError("expected 100 people to fit on, found 6; annotate more")

    monkeypatch.setattr(post_hoc, "closed_form", refuse, raising=False)
    run, data = figures
    assert main(words_for(run, data)) == 2
    assert sorted(path.name for path in run.iterdir()) == ["config.yaml", "model.safetensors", "model.yaml"]
