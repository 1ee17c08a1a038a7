import subprocess
import sys

import pytest

from poserior.cli.side_by_side import can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are forked on Linux only")


def run(code):
    """In a fresh process, which may fork."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_jobs_run_at_once_and_answer_in_order(tmp_path):
    done = run(f"""
import os, time, torch
from pathlib import Path
from poserior.cli.side_by_side import side_by_side
mark = Path({str(tmp_path)!r})
def job(name):
    (mark / name).touch()
    while len(list(mark.iterdir())) < 2:  # ends only if the other runs too
        time.sleep(0.01)
    return name, torch.arange(3), torch.get_num_threads(), os.getpid()
first, second = side_by_side(job, ["a", "b"], 1.0, [mark / "x.csv", mark / "y.csv"])
print(first[0], second[0], first[1].tolist(), first[2], first[3] != second[3] != os.getpid())
""")
    assert done.stdout == "a b [0, 1, 2] 1 True\n", done.stderr


def test_a_failure_ends_all():
    done = run("""
import time
from pathlib import Path
from poserior.errors import InputError
from poserior.cli.side_by_side import side_by_side
def job(name):
    if name == "bad":
        raise InputError("no such thing")
    time.sleep(60)
started = time.monotonic()
try:
    side_by_side(job, ["bad", "good"], 1.0, [Path("x"), Path("y")])
except InputError as error:
    print(error, time.monotonic() - started < 20)
""")
    assert done.stdout == "no such thing True\n", done.stderr
