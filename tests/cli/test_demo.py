import json

import pytest

from poserior.cli import demo, main


def test_the_whole_demo_in_seconds(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "PEOPLE", 32)
    monkeypatch.setattr(demo, "OVERLAYS", 2)
    output = tmp_path / "demo"
    assert main(["demo", "--minutes", "0.05", "--output", str(output), "--seed", "1"]) == 0
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["RLE", "L1"]
    for head in metrics:
        alone = json.loads((output / head / "metrics.json").read_text(encoding="utf-8"))
        assert alone == metrics[head]
        assert (output / head / "model.safetensors").stat().st_size > 1e6
    printed = capsys.readouterr().out
    assert f"{metrics['RLE']['NLL']:.3f}" in printed
    assert str(output / "report.html") in printed
    assert sorted(path.name for path in (output / "overlays").iterdir()) == ["00.png", "01.png"]
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "synthetic people to learn from" in page

    assert main(["demo", "--output", str(output)]) == 2
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
