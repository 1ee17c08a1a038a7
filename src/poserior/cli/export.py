"""``poserior export``: a run as an ONNX file."""

from argparse import Namespace
from pathlib import Path

from jsonargparse import ActionYesNo, ArgumentParser

from poserior.cli import export_int8
from poserior.cli.results import runs_of
from poserior.errors import InputError

SUMMARY = "write a run as an ONNX file that needs no torch"


def parser() -> ArgumentParser:
    """The verb's options."""
    verb = ArgumentParser(prog="poserior export", description=SUMMARY)
    verb.add_argument("--run", type=str, required=True, help="a trained run's folder")
    verb.add_argument("--output", type=str, required=True, metavar="FILE.onnx", help="the file to write")
    verb.add_argument(
        "--flip-test",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=False,
        help="build the flip test in (twice the work)",
    )
    export_int8.add_options(verb)
    return verb


def run(args: Namespace) -> int:
    """Write the file, and say where it is and how near it comes to the model."""
    from poserior import export
    from poserior.models import load_model

    output = export.checked_output(args.output)
    export_int8.check_options(args)
    runs = runs_of(args.run)
    if len(runs) > 1:
        raise InputError(
            f"expected one run to export, found {len(runs)} (an ensemble's fusion is no part of a file); export each"
        )
    written = export.export_model(*load_model(Path(runs[0])), output, args.flip_test)
    print(
        f"{written.path}: {written.size / 2**20:.1f} MB, keypoints within {written.difference:.1e} crop pixels of the"
        f" run's; use it with: poserior predict --run {written.path} ..."
    )
    if args.int8:
        export_int8.write_int8(args, Path(runs[0]), written.path)
    return 0
