"""A folder belongs to one job; what is there already is told, refused, or gone on with."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from poserior.cli import main


def predict(pictures, run_folder, output, *words):
    options = ["--run", run_folder, "--no-overlays", "--device", "cpu", "--output", output]
    return main(["predict", *map(str, [pictures, *options, *words])])


def test_finished_is_told_and_another_job_is_refused(pictures, run_folder, tmp_path, capsys):
    output = tmp_path / "out"
    assert predict(pictures, run_folder, output) == 0
    before = (output / "results.json").stat().st_mtime_ns
    capsys.readouterr()
    assert predict(pictures, run_folder, output, "--batch-size", 3) == 0  # no other answers
    assert "already finished" in capsys.readouterr().out
    for words, message in (
        (["--score-threshold", 0.5], "score threshold was 0.0 and is 0.5"),
        (["--no-flip-test"], "flip test was True and is False"),
        (["--part-size", 4], "part size was 256 and is 4"),
    ):
        assert predict(pictures, run_folder, output, *words) == 2
        err = capsys.readouterr().err.strip().splitlines()[-1]
        assert message in err
        assert "--overwrite" in err
    (pictures / "00.png").rename(pictures / "zz.png")
    assert predict(pictures, run_folder, output) == 2
    assert "names changed" in capsys.readouterr().err
    (pictures / "zz.png").unlink()
    assert predict(pictures, run_folder, output) == 2
    assert "there were 11 pictures and are 10" in capsys.readouterr().err
    assert (output / "results.json").stat().st_mtime_ns == before
    assert predict(pictures, run_folder, output, "--overwrite") == 0
    assert len(json.loads((output / "results.json").read_text())) == 10


def test_a_run_that_was_trained_on_is_another_job(pictures, run_folder, tmp_path, capsys):
    import shutil

    copy = shutil.copytree(run_folder, tmp_path / "copy")
    assert predict(pictures, copy, tmp_path / "out") == 0
    (copy / "model.yaml").write_text((copy / "model.yaml").read_text() + "\n")
    assert predict(pictures, copy, tmp_path / "out") == 2
    assert "model.yaml changed" in capsys.readouterr().err


def test_results_of_another_tool_are_not_replaced(pictures, run_folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text("[1]")
    assert predict(pictures, run_folder, tmp_path / "out") == 2
    assert "without job.json" in capsys.readouterr().err
    assert (tmp_path / "out" / "results.json").read_text() == "[1]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overwrite", "--shard", "0/2"], "--overwrite without --shard"),
        (["--shard", "2/2"], "--shard I/N"),
        (["--detector-weights", "x.pt"], "--detector"),
        (["--workers", "2"], "--engine ray"),
        (["--engine", "steam"], "engine"),
        (["--video"], "a video among the inputs"),
        (["--part-size", "0"], "part size"),
        (["--join"], "parts"),
    ],
)
def test_bad_options_are_one_sentence(pictures, run_folder, tmp_path, words, message, capsys):
    assert predict(pictures, run_folder, tmp_path / "out", *words) == 2
    err = capsys.readouterr().err
    assert message in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_subfolders_on_request_without_the_own_output(run_folder, tmp_path, capsys):
    for name in ("a/1.png", "a/b/1.png", "c/2.png", "out/overlays/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((9, 9, 3), np.uint8))
    assert predict(tmp_path, run_folder, tmp_path / "out") == 2
    assert "found none" in capsys.readouterr().err
    assert predict(tmp_path, run_folder, tmp_path / "out", "--recursive") == 0
    names = [entry["image_id"] for entry in json.loads((tmp_path / "out" / "results.json").read_text())]
    ends = ("a/1.png", "a/b/1.png", "c/2.png")
    assert [end for name, end in zip(names, ends, strict=True) if name.endswith(end)] == list(ends)


def test_tables_are_made_at_once_or_later(pictures, run_folder, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    assert predict(pictures, run_folder, tmp_path / "out", "--csv") == 0
    entries = json.loads((tmp_path / "out" / "results.json").read_text())
    lines = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert len(lines) == 1 + len(entries)
    assert entries[3]["image_id"] in lines[4]
    assert predict(pictures, run_folder, tmp_path / "out", "--parquet") == 0
    assert "already finished" in capsys.readouterr().out
    table = parquet.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert [row["score"] for row in table] == [entry["score"] for entry in entries]


def test_a_video_is_a_sequence_of_pictures(pictures, run_folder, tmp_path, capsys):
    pytest.importorskip("av")
    from poserior.outputs import VideoWriter
    from poserior.pictures import Video

    rng = np.random.default_rng(1)
    with VideoWriter(tmp_path / "clip.mp4", 10, (48, 64)) as video:
        for n in range(13):
            video.write(np.full((48, 64, 3), 15 * n, np.uint8) + rng.integers(0, 9, (48, 64, 3), dtype=np.uint8))
    words = ["--part-size", 5, "--readers", 3]
    assert predict(tmp_path / "clip.mp4", run_folder, tmp_path / "out", *words, "--video") == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [entry["image_id"] for entry in found] == [f"clip.mp4#{n:06d}" for n in range(13)]
    # the same as the frames one by one as picture files
    frames = tmp_path / "frames"
    frames.mkdir()
    for n, image in Video(tmp_path / "clip.mp4").frames():
        cv2.imwrite(str(frames / f"{n:03d}.png"), image[..., ::-1])
    assert predict(frames, run_folder, tmp_path / "single", *words) == 0
    single = json.loads((tmp_path / "single" / "results.json").read_text())
    for one, other in zip(found, single, strict=True):
        assert one["keypoints"] == pytest.approx(other["keypoints"], abs=1e-3)
    drawn = [image for _, image in Video(tmp_path / "out" / "videos" / "clip.mp4").frames()]
    plain = [image for _, image in Video(tmp_path / "clip.mp4").frames()]
    assert [image.shape for image in drawn] == [(48, 64, 3)] * 13
    assert all(np.abs(a.astype(int) - b).max() > 40 for a, b in zip(drawn, plain, strict=True))


def test_jobs_and_exported_models_need_no_torch():
    code = (
        "import sys, poserior.jobs, poserior.cli.predict; poserior.cli.predict.parser();"
        "print([name for name in ('torch', 'ray', 'av', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
