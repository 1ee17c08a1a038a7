"""Two one-dimensional problems whose densities are known, and every kind of head trained on them, many nets at once."""

from poserior.toy1d.heads import HEADS, build
from poserior.toy1d.kl import kl_to_truth, log_densities
from poserior.toy1d.problems import PROBLEMS, Problem
from poserior.toy1d.study import Outcome, Settings, Task, run_task, study
from poserior.toy1d.train import train

__all__ = [
    "HEADS",
    "PROBLEMS",
    "Outcome",
    "Problem",
    "Settings",
    "Task",
    "build",
    "kl_to_truth",
    "log_densities",
    "run_task",
    "study",
    "train",
]
