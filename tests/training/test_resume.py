import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from poserior.errors import InputError
from poserior.training import Budget, Checkpoint, Loader, Optimiser, train
from poserior.whole_files import write_bytes

HERE = Path(__file__).parent


def helper(*words):
    paths = [str(HERE), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, words)], check=False, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def log(folder):
    lines = (folder / "log.csv").read_text(encoding="utf-8").splitlines()
    return [[*line.split(",")[:2], *line.split(",")[3:]] for line in lines]  # without the minutes


def same(ours, theirs):
    ours, theirs = load_file(ours / "model.safetensors"), load_file(theirs / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=0)


def test_killed_at_ten_moments_and_resumed_it_ends_the_same(tmp_path):
    *killed, last = helper(HERE / "killed_runs.py", tmp_path, 10, 0)
    assert [line.split()[0] for line in killed] == ["killed"] * 10
    assert last == "0"
    same(tmp_path / "whole", tmp_path / "killed")
    assert log(tmp_path / "whole") == log(tmp_path / "killed")
    assert not list((tmp_path / "killed").glob(".*"))  # what a killed writer left is gone


class Stop(RuntimeError):
    pass


def stopping(dots, after):
    class Stopping(dots):
        left = after

        def __getitem__(self, index):
            self.left -= 1
            if self.left < 0:
                raise Stop
            return super().__getitem__(index)

    return Stopping


def test_with_workers_within_a_later_epoch(dots, small, tmp_path):
    config = small(
        budget=Budget(epochs=3), loader=Loader(batch_size=2, workers=1), checkpoint=Checkpoint(steps=1, minutes=None)
    )
    whole = train(config, tmp_path / "whole", data=(dots(8), None), progress=False)
    alone = small(
        budget=Budget(epochs=3), loader=Loader(batch_size=2, workers=0), checkpoint=Checkpoint(steps=1, minutes=None)
    )
    with pytest.raises(Stop):  # a look at everybody, one epoch, two batches and a bit
        train(alone, tmp_path / "cut", data=(stopping(dots, 8 + 8 + 5)(8), None), progress=False)
    text = (tmp_path / "cut" / "config.yaml").read_text(encoding="utf-8").replace("workers: 0", "workers: 1")
    (tmp_path / "cut" / "config.yaml").write_text(text, encoding="utf-8")
    same(whole, train(config, tmp_path / "cut", resume=True, data=(dots(8), None), progress=False))


def test_a_finished_run_stays_as_it_is(dots, small, tmp_path):
    folder = train(small(), tmp_path / "run", data=(dots(4), None), progress=False)
    (folder / "model.yaml").write_text("calibrated since", encoding="utf-8")
    train(small(), folder, resume=True, data=(dots(4), None), progress=False)
    assert (folder / "model.yaml").read_text(encoding="utf-8") == "calibrated since"


def test_killed_before_the_model_was_saved(dots, small, tmp_path):
    config = small(optimiser=Optimiser(lr=3e-3, warmup=2, ema=0.9))
    whole = train(config, tmp_path / "whole", data=(dots(8), None), progress=False)
    cut = shutil.copytree(whole, tmp_path / "cut")
    (cut / "model.safetensors").unlink()
    same(whole, train(config, cut, resume=True, data=(dots(8), None), progress=False))


def test_a_full_disk_keeps_the_checkpoint_before(dots, small, tmp_path, monkeypatch):
    config = small(budget=Budget(epochs=2))
    whole = train(config, tmp_path / "whole", data=(dots(8), None), progress=False)
    sync, calls = os.fsync, []

    def full(number):
        calls.append(number)
        if len(calls) > 2:  # the first epoch's checkpoint, file and folder
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"MB to .*last.ckpt, found .*No space left on device; .* whole: make room"):
        train(config, tmp_path / "cut", data=(dots(8), None), progress=False)
    monkeypatch.undo()
    assert not list((tmp_path / "cut").glob(".*"))
    assert torch.load(tmp_path / "cut" / "last.ckpt", weights_only=True)["global_step"] == 2
    same(whole, train(config, tmp_path / "cut", resume=True, data=(dots(8), None), progress=False))


def test_write_bytes_replaces_or_leaves(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "file"
    write_bytes(path, b"first")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only")))
    with pytest.raises(InputError, match="Read-only"):
        write_bytes(path, b"second")
    monkeypatch.undo()
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["truncated", "foreign", "text", "skeleton", "model"])
def test_a_checkpoint_that_is_none_of_this_runs(dots, small, tmp_path, kind):
    folder = train(small(budget=Budget(epochs=1)), tmp_path / "run", data=(dots(4), None), progress=False)
    path, text = folder / "last.ckpt", "found"
    content = torch.load(path, weights_only=True)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
        text = "whole checkpoint at .*last.ckpt, found a broken file"
    elif kind == "text":
        path.write_text("hello", encoding="utf-8")
        text = "found a broken file"
    elif kind == "foreign":
        torch.save({"model": torch.zeros(3)}, path)
        text = "found other content"
    elif kind == "skeleton":
        torch.save({**content, "skeleton": {"name": "hand", "keypoints": ["thumb"]}}, path)
        text = r"skeleton 'dots' \(3 keypoints\) at .*, found one for 'hand' \(1\)"
    else:
        name = next(key for key in content["state_dict"] if key.startswith("model.head"))
        content["state_dict"][name] = torch.zeros(2, 2)
        torch.save(content, path)
        text = f"found another model's .first difference: {name}"
    with pytest.raises(InputError, match=text) as error:
        train(small(budget=Budget(epochs=2)), folder, resume=True, data=(dots(4), None), progress=False)
    assert "\n" not in str(error.value)


def test_within_an_epoch_the_number_of_processes_stays(dots, small, tmp_path):
    config = small(loader=Loader(batch_size=2, workers=0), checkpoint=Checkpoint(steps=1, minutes=None))
    with pytest.raises(Stop):
        train(config, tmp_path / "cut", data=(stopping(dots, 8 + 5)(8), None), progress=False)
    path = tmp_path / "cut" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    assert content["Data"]["train"] == {"epoch": 0, "batch": 2, "batch_size": 2, "processes": 1}
    content["Data"]["train"]["processes"] = 2
    torch.save(content, path)
    with pytest.raises(InputError, match="expected 2 processes to go on within an epoch of that many, found 1"):
        train(config, tmp_path / "cut", resume=True, data=(dots(8), None), progress=False)


def test_foreign_folders(dots, small, tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "model.safetensors").write_bytes(b"theirs")
    (tmp_path / "file").write_bytes(b"theirs")
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml" / "config.yaml").write_text("- a\n- b\n", encoding="utf-8")
    for name, text in (
        ("hub", "found model.safetensors in"),
        ("file", "expected a folder at"),
        ("yaml", "a run's configuration in"),
    ):
        with pytest.raises(InputError, match=text):
            train(small(), tmp_path / name, resume=True, data=(dots(4), None), progress=False)
    assert (tmp_path / "hub" / "model.safetensors").read_bytes() == b"theirs"
    with pytest.raises(InputError, match="empty training set"):
        train(small(), tmp_path / "new", data=(dots(0), None), progress=False)
    assert not (tmp_path / "new").exists()  # so that the corrected command just works
