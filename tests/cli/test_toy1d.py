import json

import numpy as np
import pytest
import torch

from poserior.cli import main
from poserior.toy1d import Outcome, Settings, Task, study
from poserior.toy1d.store import load, save


def test_a_small_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("poserior.cli.toy1d._cores", lambda: 1)  # a process with a long past should not fork
    monkeypatch.setattr(Settings, "grid", 64)
    words = ["demo", "--problem", "toy1d", "--heads", "Gaussian,Energy[sm]", "--nets", "6", "--epochs", "1"]
    monkeypatch.setattr("poserior.toy1d.Settings", lambda **given: Settings(grid=64, points=64, **given))
    assert main([*words, "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "toy1d.json").read_text(encoding="utf-8"))
    assert list(found) == ["problem1", "problem2"]
    for heads in found.values():
        assert list(heads) == ["Gaussian", "Energy[sm]"]
        for numbers in heads.values():
            assert 0 < numbers["kl_best5"] < numbers["kl_mean"]
    printed = capsys.readouterr()
    assert f"{found['problem1']['Gaussian']['kl_best5']:.3f}" in printed.out
    assert "problem2 Energy[sm]: KL" in printed.out + printed.err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 6
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (tmp_path / "toy1d.jpg").read_bytes()[:2] == b"\xff\xd8"

    # again: everything is there already
    assert main([*words, "--output", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "toy1d.json").read_text(encoding="utf-8")) == found
    assert "KL 0" not in capsys.readouterr().out.split("|")[0]
    assert main([*words, "--seed", "1", "--output", str(tmp_path)]) == 2
    assert "found others (seed 0)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--heads", "Gaussian,Nonsense"], "found 'Nonsense'"),
        (["--heads", "L1,L1"], "every head once"),
        (["--nets", "4"], "--nets of at least 5, found 4"),
        (["--epochs", "0"], "--epochs"),
        (["--candidates", "1"], "--candidates"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_impossible_options(words, text, tmp_path, capsys):
    assert main(["demo", "--problem", "toy1d", *words, "--output", str(tmp_path / "out")]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_heads_belong_to_toy1d(capsys):
    assert main(["demo", "--heads", "L1"]) == 2
    assert "--problem toy1d" in capsys.readouterr().err


def test_outcomes_come_back_and_broken_files_are_named(tmp_path):
    task, settings = Task("problem1", "Energy[ml-is]"), Settings(nets=5)
    assert load(tmp_path, task, settings) is None
    outcome = Outcome(task, [0.5, 0.1, 0.3, 0.2, 0.4, 9.0], np.eye(3, dtype=np.float32), 2.5)
    save(tmp_path, outcome, settings)
    again = load(tmp_path, task, settings)
    assert again is not None
    assert (again.task, again.kl, again.seconds) == (task, outcome.kl, 2.5)
    assert again.summary == {"kl_best5": pytest.approx(0.3), "kl_mean": pytest.approx(1.75)}
    np.testing.assert_array_equal(again.density, outcome.density)


def test_several_processes_give_what_one_gives():
    tasks = [Task("problem1", "Gaussian"), Task("problem2", "L1"), Task("problem2", "Gaussian")]
    settings = Settings(nets=5, epochs=1, points=64, grid=64)
    counts: list[int] = []
    names: list[str] = []
    torch.set_num_threads(1)
    alone = study(tasks, settings, 1, counts.append, lambda outcome: names.append(outcome.task.head))
    assert counts == [1, 2, 3]
    assert names == ["Gaussian", "L1", "Gaussian"]
    together = study(tasks, settings, 2, counts.append, lambda outcome: None)
    assert [outcome.task for outcome in together] == tasks
    assert [outcome.kl for outcome in together] == [outcome.kl for outcome in alone]
    assert counts[-1] == 3
