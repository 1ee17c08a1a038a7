import json
import math

import pytest

from poserior.cli import main
from poserior.cli.compare import mean_and_spread, summary_table


def test_spread_is_the_samples_standard_deviation():
    mean, spread = mean_and_spread([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert mean == 5.0
    assert spread == pytest.approx(math.sqrt(32 / 7))
    assert math.isnan(mean_and_spread([3.0])[1])


def test_table_holds_what_every_run_has():
    runs = {"A": [{"AP": 0.5, "NLL": None}, {"AP": 0.7, "NLL": 1.0}], "B": [{"AP": 0.25, "NLL": 2.0}]}
    assert summary_table(runs).splitlines() == [
        "| head | AP         |",
        "|------|------------|",
        "| A    | 0.6 ± 0.14 |",
        "| B    | 0.25       |",
    ]


def test_compare_trains_each_head_and_seed_once(small_config, tmp_path, capsys):
    output = tmp_path / "all"
    text = small_config.read_text(encoding="utf-8") + "compare: {L1: {lr: 0.004}}\nseed: 3\n"
    small_config.write_text(text, encoding="utf-8")
    words = ["compare", "--config", str(small_config), "--heads", "L1,Gaussian", "--output", str(output)]
    assert main([*words, "--seeds", "1"]) == 0
    kept = (output / "L1-seed3" / "model.safetensors").stat().st_mtime_ns
    assert main([*words, "--seeds", "2"]) == 0
    assert (output / "L1-seed3" / "model.safetensors").stat().st_mtime_ns == kept

    found = json.loads((output / "compare.json").read_text(encoding="utf-8"))["heads"]
    assert list(found) == ["L1", "Gaussian"]
    for head, values in found.items():
        single = [
            json.loads((output / f"{head}-seed{seed}" / "metrics.json").read_text(encoding="utf-8"))["NLL"]
            for seed in (3, 4)
        ]
        assert single[0] != single[1]
        assert values["mean"]["NLL"] == pytest.approx(sum(single) / 2)
        assert values["std"]["NLL"] == pytest.approx(abs(single[0] - single[1]) / math.sqrt(2))
        assert values["cost"]["parameters (M)"] > 0.1
        assert values["cost"]["head GFLOPs"] < values["cost"]["backbone GFLOPs"]
    assert found["L1"]["cost"]["step, relative"] == 1
    printed = capsys.readouterr().out
    assert "step, relative" in printed
    assert (output / "table.md").read_text(encoding="utf-8") in printed
    assert "<html" in (output / "report.html").read_text(encoding="utf-8")
    assert "lr: 0.004" in (output / "L1-seed3" / "config.yaml").read_text(encoding="utf-8")
    assert "lr: 0.002" in (output / "Gaussian-seed3" / "config.yaml").read_text(encoding="utf-8")

    assert main([*words, "--seeds", "1", "--box_padding", "1.5"]) == 2
    assert "box_padding" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--heads", "L1,L3"], "'L3'"),
        (["--seeds", "0"], "--seeds"),
        (["--compare", "{L1: {width: 3}}"], "'width'"),
        (["--val_data", "null"], "val_data"),
    ],
)
def test_what_cannot_be_compared(small_config, tmp_path, capsys, words, text):
    assert main(["compare", "--config", str(small_config), "--output", str(tmp_path / "x"), *words]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
