"""Which verb was asked for, and what its failures look like."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast, runtime_checkable

from poserior.errors import InputError
from poserior.version import __version__

VERBS = (
    "demo",
    "train",
    "evaluate",
    "calibrate",
    "predict",
    "export",
    "compare",
    "report",
    "analyse",
    "convert",
    "doctor",
    "shard",
    "import-weights",
)


@runtime_checkable
class Verb(Protocol):
    """What a module ``poserior.cli.<verb>`` has; importing it imports no torch."""

    SUMMARY: str

    def parser(self) -> argparse.ArgumentParser:
        """A jsonargparse parser of the verb's options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the process's exit code."""


@runtime_checkable
class VerbOfKinds(Verb, Protocol):
    """A verb whose options depend on the kind of model it is asked about."""

    def parser_for(self, words: Sequence[str]) -> argparse.ArgumentParser:
        """`parser` for a command line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``poserior VERB ...``.

    Args:
        argv: the words after ``poserior``; those of the process by default.

    Returns:
        0; 2 for bad input, with one sentence on stderr; 130 where Ctrl-C ended it.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # a broken picture is told in our sentence alone
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    if words[0] == "--version":
        print(f"poserior {__version__}")
        return 0
    if words[0] not in VERBS:
        return _refuse(f"expected a verb ({', '.join(VERBS)}), found {words[0]!r}; see poserior --help")
    return _run(_verb(words[0]), words[1:])


def usage() -> str:
    """What ``poserior --help`` prints."""
    verbs = "\n".join(f"  {name:14s} {_verb(name).SUMMARY}" for name in VERBS)
    return (
        "usage: poserior VERB [options]\n\nProbabilistic regression in vision: every keypoint with its error bar.\n\n"
        f"verbs:\n{verbs}\n\n`poserior VERB --help` tells a verb's options; `poserior demo` is a good start."
    )


def _verb(name: str) -> Verb:
    return cast(Verb, import_module(f"poserior.cli.{name.replace('-', '_')}"))


def _run(verb: Verb, words: list[str]) -> int:
    try:
        parser = verb.parser_for(words) if isinstance(verb, VerbOfKinds) else verb.parser()
        parser.exit_on_error = False
        return verb.run(parser.parse_args(words))
    except (InputError, argparse.ArgumentError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(_explain(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("poserior"):
            raise
        return _refuse(
            f"expected the package {error.name} for this verb, found it not installed; `pip install poserior` brings"
            " all (without it, exported models predict, and convert and doctor data work)"
        )
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def _explain(error: OSError) -> str:
    place = "" if error.filename is None else f" at {error.filename}"
    return f"expected to read and write files, found that the system refuses{place}: {error.strerror or error}"


def _refuse(message: str) -> int:
    print(f"poserior: {' '.join(message.split())}", file=sys.stderr)
    return 2
