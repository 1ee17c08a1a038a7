import json
import subprocess
import sys

import pytest

from poserior.cli import demo, main


def test_the_whole_demo_in_seconds(tmp_path):
    output = tmp_path / "demo"
    # a process of its own: the demo forks, which a process with a long past should not
    words = [sys.executable, "-m", "poserior", "demo", "--minutes", "0.1", "--output", str(output), "--seed", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["RLE", "L1"]
    for head in metrics:
        alone = json.loads((output / head / "metrics.json").read_text(encoding="utf-8"))
        assert alone == metrics[head]
        assert (output / head / "model.safetensors").stat().st_size > 1e6
    assert metrics["RLE"]["EPE"] != metrics["L1"]["EPE"]
    assert f"{metrics['RLE']['NLL']:.3f}" in done.stdout
    assert str(output / "report.html") in done.stdout
    assert "train RLE and L1" in done.stderr
    assert "Warning" not in done.stderr
    assert len(list((output / "overlays").glob("*.png"))) == 8
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "synthetic people to learn from" in page


def test_an_old_demo_is_not_written_over(tmp_path, capsys):
    (tmp_path / "RLE").mkdir()
    (tmp_path / "RLE" / "config.yaml").touch()
    assert main(["demo", "--output", str(tmp_path)]) == 2
    assert "another --output" in capsys.readouterr().err


def test_a_free_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(demo._folder(None)) == "runs/demo"
    (tmp_path / "runs/demo").mkdir(parents=True)
    (tmp_path / "runs/demo-2").mkdir()
    assert str(demo._folder(None)) == "runs/demo-3"


@pytest.mark.parametrize(("words", "text"), [(["--minutes", "0"], "--minutes"), (["--seed", "-1"], "--seed")])
def test_impossible_options(words, text, capsys):
    assert main(["demo", *words]) == 2
    assert text in capsys.readouterr().err
