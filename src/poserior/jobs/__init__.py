"""Prediction of many pictures in parts that can be resumed, repeated and shared out. Importing it needs no torch."""

from poserior.jobs.extras import draw_videos, write_tables
from poserior.jobs.folder import JobFolder, Summary, describe_job
from poserior.jobs.job import Job, Part
from poserior.jobs.joining import join
from poserior.jobs.shards import parse_shard, share
from poserior.jobs.sources import Sources, plan
from poserior.jobs.worker import Worker, run_part

__all__ = [
    "Job",
    "JobFolder",
    "Part",
    "Sources",
    "Summary",
    "Worker",
    "describe_job",
    "draw_videos",
    "join",
    "parse_shard",
    "plan",
    "run_part",
    "share",
    "write_tables",
]
