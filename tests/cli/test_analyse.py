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
        ([], "expected a subject (occlusion, truncation, density, flow, confidence), found none"),
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
