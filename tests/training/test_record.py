import hashlib
import json
import math

import pytest

from poserior.errors import InputError
from poserior.training import train
from poserior.training.record import describe_data


def test_the_folder_says_where_it_comes_from(dots, small, tmp_path):
    folder = train(small(seed=7), tmp_path / "run", data=(dots(4), dots(3)), progress=False)
    train(small(seed=7), folder, resume=True, data=(dots(4), dots(3)), progress=False)
    told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (told["skeleton"], told["seed"]) == ("dots", 7)
    assert told["data"] == {"train": {"class": "Dots", "people": 4}, "val": {"class": "Dots", "people": 3}}
    first, second = told["starts"]
    assert first["status"] == second["status"] == "finished"
    assert first["started"] <= first["ended"] <= second["started"]
    assert first["torch"].split(".")[0].isdigit()
    explained = (folder / "README.txt").read_text(encoding="utf-8")
    for path in folder.iterdir():
        assert path.name in ("README.txt", *explained.split())


def test_the_annotation_file_is_known_by_its_hash(dots, tmp_path):
    people = dots(4)
    people.annotation_file = tmp_path / "labels.json"
    people.annotation_file.write_bytes(b"{}")
    assert describe_data(people)["sha256"] == hashlib.sha256(b"{}").hexdigest()


def test_pixels_in_the_log(dots, small, tmp_path):
    folder = train(small(), tmp_path / "run", data=(dots(4), dots(3)), progress=False)
    header, *_, last = (folder / "log.csv").read_text(encoding="utf-8").splitlines()
    row = dict(zip(header.split(","), map(float, last.split(",")), strict=True))
    assert row["val_nll_px"] == pytest.approx(row["val_nll"] + math.log(32 * 24), rel=1e-4)
    assert 1 + math.log(2 * math.pi * row["val_sd_px"] ** 2) == pytest.approx(row["val_nll_px"], rel=1e-4)


def test_any_logger(dots, small, tmp_path):
    config = small(logger={"class_path": "CSVLogger", "init_args": {"name": "own", "version": ""}})
    folder = train(config, tmp_path / "run", data=(dots(4), dots(3)), progress=False)
    assert "val_nll" in (folder / "own" / "metrics.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", [{"class_path": "Carrier"}, {"class_path": "CSVLogger", "init_args": {"nam": 1}}])
def test_an_unknown_logger(dots, small, tmp_path, part):
    with pytest.raises(InputError, match="expected a usable logger") as error:
        train(small(logger=part), tmp_path / "run", data=(dots(4), None), progress=False)
    assert "\n" not in str(error.value)


def test_tensorboard_where_it_is_installed(dots, small, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    folder = train(small(tensorboard=None), tmp_path / "run", data=(dots(4), dots(3)), progress=False)
    assert list((folder / "tensorboard").glob("events.out.*"))
    monkeypatch.setattr("poserior.training.loggers.find_spec", lambda name: None)
    other = train(small(tensorboard=None), tmp_path / "other", data=(dots(4), dots(3)), progress=False)
    assert not (other / "tensorboard").exists()
    with pytest.raises(InputError, match="the package tensorboard"):
        train(small(tensorboard=True), tmp_path / "third", data=(dots(4), dots(3)), progress=False)
