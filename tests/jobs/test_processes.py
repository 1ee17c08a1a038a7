"""Processes that share a job, one of which is killed: nothing is lost, nothing is there twice."""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module

import pytest

from poserior.cli import main

# Kills its own process, as the system would, while the second of its parts is half written.
DYING = """
import os, signal, sys
from poserior.cli import main
from poserior.jobs import folder
entries, begun = folder.json.dumps, []
def dumps(content, **options):
    if "image_id" in content:
        begun.append(1)
        if len(begun) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    return entries(content, **options)
class Json:
    dumps, loads = staticmethod(dumps), staticmethod(folder.json.loads)
folder.json = Json
sys.exit(main(sys.argv[1:]))
"""
# The first worker that gets part 3 kills its own process.
DYING_ON_RAY = """
import os, signal
from pathlib import Path
from poserior.jobs.cluster import PartWorker
class Dying(PartWorker):
    def __call__(self, row):
        if row["index"] == 3:
            try:
                Path(os.environ["POSERIOR_TEST_FLAG"]).touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(row)
"""
PLAIN = "import sys; from poserior.cli import main; sys.exit(main(sys.argv[1:]))"


def start(code, *words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def predict(pictures, run_folder, output, *words):
    options = ["--run", run_folder, "--no-overlays", "--device", "cpu", "--output", output, "--part-size", 2]
    return ["predict", *map(str, [pictures, *options, *words])]


@pytest.fixture
def undisturbed(pictures, run_folder, tmp_path):
    """What one process writes that nobody stops."""
    assert main(predict(pictures, run_folder, tmp_path / "whole")) == 0
    return (tmp_path / "whole" / "results.json").read_bytes()


def test_one_of_two_workers_is_killed(pictures, run_folder, tmp_path, undisturbed, capsys):
    output = tmp_path / "shared"
    words = predict(pictures, run_folder, output)
    dying, other = start(DYING, *words, "--shard", "0/2"), start(PLAIN, *words, "--shard", "1/2")
    (_, trouble), (told, _) = dying.communicate(timeout=120), other.communicate(timeout=120)
    assert dying.returncode == -signal.SIGKILL, trouble.decode()
    assert other.returncode == 0
    assert "this shard is done" in told.decode()
    assert sorted(path.name for path in (output / "parts").glob("*.jsonl")) == [f"{n:05d}.jsonl" for n in (0, 1, 3, 5)]
    assert list((output / "parts").glob(".*.part"))  # what was half written
    assert not (output / "results.json").exists()
    assert main([*words, "--join"]) == 2
    assert "not 2, 4" in capsys.readouterr().err
    assert main([*words, "--shard", "0/2"]) == 0
    said = capsys.readouterr()
    assert "going on: 1 of 3 parts are done" in said.err
    assert "11 people in 11 pictures" in said.out
    assert (output / "results.json").read_bytes() == undisturbed
    assert sorted(path.name for path in output.iterdir()) == ["job.json", "results.json"]


def test_a_shard_more_or_less_makes_no_difference(pictures, run_folder, tmp_path, undisturbed, monkeypatch, capsys):
    output = tmp_path / "shared"
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        assert main(predict(pictures, run_folder, output, "--shard", "auto", "--batch-size", 5)) == 0
    assert "11 people" in capsys.readouterr().out
    together = [json.loads(text) for text in ((output / "results.json").read_bytes(), undisturbed)]
    assert together[0] == together[1]
    assert main(predict(pictures, run_folder, output, "--shard", "0/2")) == 0
    assert "already finished" in capsys.readouterr().out


# Ray's own: its use of what it gives up itself, and handles that it leaves to the collector at its end.
@pytest.mark.filterwarnings(
    "ignore:::ray", "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_ray_replaces_a_killed_worker(pictures, run_folder, tmp_path, undisturbed, monkeypatch, capsys):
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    from poserior.jobs import cluster

    # A module of its own, for Ray's workers import the class by its name.
    flag = tmp_path / "killed"
    (tmp_path / "dying_worker.py").write_text(DYING_ON_RAY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("POSERIOR_TEST_FLAG", str(flag))
    monkeypatch.setattr(cluster, "PartWorker", import_module("dying_worker").Dying)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        words = predict(pictures, run_folder, tmp_path / "ray", "--engine", "ray", "--workers", "2")
        assert main(words) == 0
    finally:
        ray.shutdown()
    assert flag.exists()
    assert "11 people in 11 pictures" in capsys.readouterr().out
    assert (tmp_path / "ray" / "results.json").read_bytes() == undisturbed
