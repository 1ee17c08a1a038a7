"""The command line: parse, call, print. Heavy imports happen inside the verbs."""

from poserior.cli.main import main

__all__ = ["main"]
