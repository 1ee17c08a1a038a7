import json
import shutil

import pytest

from poserior.cli import main


@pytest.fixture
def trained(run_folder_coco):
    """A run without validation data of its own: it is looked at on held-out Figures."""
    return run_folder_coco


@pytest.mark.parametrize("subject", ["occlusion", "truncation", "density", "flow", "confidence"])
def test_each_subject_leaves_numbers_and_a_page(subject, trained, tmp_path, capsys):
    words = ["analyse", subject, "--run", str(trained), "--output", str(tmp_path), "--people", "4"]
    assert main([*words, "--cuts", "0.3", "--sizes", "0.2", "--keypoints", "nose,left_wrist"]) == 0
    content = json.loads((tmp_path / f"{subject}.json").read_text(encoding="utf-8"))
    assert content["subject"] == subject
    assert content["people"] == 4
    (result,) = content["runs"].values()
    if subject == "occlusion":
        assert len(result["error"]) == len(result["spread_ratio"][3]) == 17
        assert result["skeleton"][0] == "nose"
    elif subject == "truncation":
        assert result["cuts"] == [0.0, 0.3]
        assert result["error"][0][1] is None
    elif subject == "density":
        assert set(result["log_likelihood"]) == {"learned", "laplace", "gaussian", "true"}
    elif subject == "confidence":
        assert (result["sizes"], result["keypoints"], result["patch"]) == ([0.0, 0.2], ["nose", "left_wrist"], "blur")
        assert len(result["joints"]["oks"][1]) == len(result["joints"]["confidence"][1]) == 2
        assert result["metrics"]["num_people"] == 4
        assert "evaluation" not in result
    else:
        assert 0 < sum(result["count"]) <= 4 * 17
        assert len(result["own_gain"]) == 17
    page = (tmp_path / f"{subject}.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    printed = capsys.readouterr()
    assert f"{subject}.json and {subject}.html are in {tmp_path}" in printed.out
    assert subject in printed.err  # the bar


def test_runs_side_by_side_on_annotations(trained, tmp_path, capsys):
    from poserior.datasets import Figures
    from poserior.datasets.figures import write_coco

    write_coco(Figures(length=3, seed=5, picture_size=(48, 40), supersample=1), tmp_path / "data")
    words = [
        "--annotations",
        str(tmp_path / "data" / "annotations.json"),
        "--images",
        str(tmp_path / "data" / "images"),
        "--output",
        str(tmp_path),
    ]
    second_run = tmp_path / "copy" / "second"
    shutil.copytree(trained, second_run)
    assert main(["analyse", "truncation", "--run", f"{trained},{second_run}", *words]) == 0, capsys.readouterr().err
    content = json.loads((tmp_path / "truncation.json").read_text(encoding="utf-8"))
    assert list(content["runs"]) == [trained.name, "second"]
    first, second = content["runs"].values()
    assert first == second


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected a subject (occlusion, truncation, density, flow, confidence, components), found none"),
        (["oclusion"], "found 'oclusion'; see poserior analyse --help"),
        (["occlusion"], "expected --run DIR, found none"),
        (["occlusion", "--run", "nowhere"], "expected a run folder"),
        (["density", "--run", "RUN", "--annotations", "a.json"], "--annotations and --images together"),
        (["density", "--run", "RUN", "--people", "0"], "expected --people from 1"),
        (["truncation", "--run", "RUN", "--cuts", "a"], "expected --cuts as numbers"),
        (["truncation", "--run", "RUN", "--side", "inside"], "expected side among bottom, top, left, right"),
        (["occlusion", "--run", "RUN", "--size", "-1"], "square's size"),
        (["confidence", "--run", "RUN", "--sizes", "x"], "expected --sizes as numbers"),
        (["confidence", "--run", "RUN", "--patch", "black"], "expected a patch among blur, grey"),
        (["confidence", "--run", "RUN", "--keypoints", "tail"], "found 'tail'; correct the names"),
        (["density", "--run", "RUN,RUN"], "expected different runs"),
        (["density", "--run", "OTHER"], "expected --annotations and --images for a run of skeleton lsp14"),
        (["density", "--run", "RUN", "--run", "OTHER"], "expected runs of one skeleton"),
    ],
)
def test_bad_input_is_one_sentence(words, message, trained, run_folder, capsys):
    words = [word.replace("RUN", str(trained)).replace("OTHER", str(run_folder)) for word in words]
    assert main(["analyse", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_help_lists_the_subjects(capsys):
    with pytest.raises(SystemExit):
        main(["analyse", "--help"])
    text = capsys.readouterr().out
    for subject in ("occlusion", "truncation", "density", "flow", "confidence"):
        assert subject in text


def test_the_runs_own_validation_data(run_folder_coco, tmp_path):
    folder = shutil.copytree(run_folder_coco, tmp_path / "run")
    (folder / "config.yaml").write_text(
        "val_data: {class_path: Figures, init_args: {length: 3, seed: 9, picture_size: [48, 40], supersample: 1}}\n"
    )
    assert main(["analyse", "density", "--run", str(folder)]) == 0
    content = json.loads((folder / "density.json").read_text(encoding="utf-8"))
    assert content["people"] == 3
    assert content["data"] == "validation data of run (Figures)"
    assert "true" not in content["runs"]["run"]["log_likelihood"]  # exact labels have no law


def dense_run(folder, name, components=2, epochs=2, boxes_only=False):
    """An untrained one-stage network in a folder, as a run leaves it."""
    from poserior.dense.spec import DenseSpec, build_dense, save_dense
    from poserior.skeletons import load

    people = name == "FigureScenes"
    skeleton = load("coco17") if people and not boxes_only else None
    head = {"class_path": "DenseMixture", "init_args": {"components": components, "channels": 8}}
    backbone = {"class_path": "Upsampled", "init_args": {"name": "resnet10t", "channels": 8}}
    from poserior.datasets.simple_objects import CATEGORIES

    categories = ("person",) if people else CATEGORIES
    spec = DenseSpec(backbone, head, categories, skeleton, (64, 96), channels=8)
    folder.mkdir(parents=True)
    save_dense(build_dense(spec), spec, folder)
    data = {"class_path": name, "init_args": {"length": 3, "seed": 4, "picture_size": [48, 64]}}
    if people:
        data["init_args"]["pool"] = 3
    (folder / "config.yaml").write_text(json.dumps({"val_data": data}), encoding="utf-8")
    rows = [f"{epoch},{4 - epoch}" for epoch in range(1, epochs + 1)]
    (folder / "log.csv").write_text("\n".join(["epoch,val_loss", *rows]), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["FigureScenes", "SimpleObjects"])
def test_components_of_one_stage_networks(name, tmp_path, capsys):
    first, base = dense_run(tmp_path / "two", name), dense_run(tmp_path / "one", name, components=1)
    words = ["--output", str(tmp_path), "--people", "2", "--score", "0.05", "--settings", "64,64f"]
    assert main(["analyse", "components", "--run", f"{first},{base}", *words]) == 0, capsys.readouterr().err
    content = json.loads((tmp_path / "components.json").read_text(encoding="utf-8"))
    assert (content["pictures"], list(content["runs"])) == (2, ["two", "one"])
    two, one = content["runs"].values()
    assert list(two["average_precision"]) == ["all", "1", "2"]
    assert list(one["average_precision"]) == ["all"]
    assert one["scale"] is None
    assert len(two["scale"]["rate"]) == 2
    assert two["learning"] == {"epoch": [1, 2], "values": {"loss": [3, 2]}}
    assert [timing["setting"] for timing in one["timings"]] == ["64", "64f"]
    assert "shown" not in two
    page = (tmp_path / "components.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" in page
    if name == "FigureScenes":
        assert two["view"]["known"] == two["truths"] > 0
        assert set(two["displaced"]) == {"1 px", "2 px", "3 px"}
        assert set(two["subsets"]) >= {"all", "facial", "ankles"}
    else:
        assert two["view"] is None
        assert two["subsets"] == {}
    assert "components.json and components.html are in" in capsys.readouterr().out


def test_boxes_of_people_whose_data_has_keypoints(tmp_path):
    run = dense_run(tmp_path / "run", "FigureScenes", boxes_only=True)
    assert main(["analyse", "components", "--run", str(run)]) == 0
    (found,) = json.loads((run / "components.json").read_text(encoding="utf-8"))["runs"].values()
    assert len(found["scale"]["rate"]) == 2
    assert found["view"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "RUN"], "expected a run of a one-stage network"),
        (["--run", "DENSE", "--score", "2"], "expected --score from 0 to 1, found 2"),
        (["--run", "DENSE", "--settings", "fast"], "expected a setting such as"),
        (["--run", "DENSE,OTHER"], "expected runs of the same categories and keypoints"),
        (["--run", "BARE"], "expected --annotations and --images for a run without validation data"),
    ],
)
def test_components_refuse_in_one_sentence(words, message, trained, tmp_path, capsys):
    places = {"RUN": trained}
    if any("DENSE" in word for word in words):
        places["DENSE"] = dense_run(tmp_path / "dense", "SimpleObjects")
    if any("OTHER" in word for word in words):
        places["OTHER"] = dense_run(tmp_path / "other", "FigureScenes")
    if "BARE" in words:
        places["BARE"] = dense_run(tmp_path / "bare", "SimpleObjects")
        (places["BARE"] / "config.yaml").unlink()
    given = [",".join(str(places.get(part, part)) for part in word.split(",")) for word in words]
    assert main(["analyse", "components", *given]) == 2
    assert message in capsys.readouterr().err
