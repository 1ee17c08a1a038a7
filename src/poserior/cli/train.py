"""``poserior train``: a configuration to a trained model."""

from argparse import Namespace
from collections.abc import Sequence

from jsonargparse import ArgumentParser

SUMMARY = "train a model: configuration file -> run folder"


def parser() -> ArgumentParser:
    """Options of the verb."""
    from poserior.cli.configuration import add_configuration

    more = (
        "One-stage networks (a file with model: dense) have options of their own: poserior train --model dense --help."
    )
    options = _options(f"{SUMMARY}. {more}")
    add_configuration(options)
    return options


def parser_for(words: Sequence[str]) -> ArgumentParser:
    """Options of the verb for the kind of model that the command line is about."""
    from poserior.cli.dense_configuration import add_dense_configuration, asks_for_dense

    if not asks_for_dense(words):
        return parser()
    options = _options("train a one-stage network: configuration file -> run folder")
    add_dense_configuration(options)
    return options


def _options(description: str) -> ArgumentParser:
    options = ArgumentParser(prog="poserior train", description=description)
    options.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/CONFIG)")
    options.add_argument("--resume", action="store_true", help="continue the run in the folder from its last epoch")
    return options


def run(args: Namespace) -> int:
    """Train; prints the folder."""
    from poserior.cli.configuration import read_configuration, run_folder
    from poserior.training.folder import is_first_process

    if "model" in args:  # an option that only one-stage networks have
        from poserior.cli.dense_configuration import read_dense_configuration
        from poserior.dense.run import train as train_dense

        folder = train_dense(read_dense_configuration(args), run_folder(args), resume=args.resume)
    else:
        from poserior.training.run import train

        folder = train(read_configuration(args), run_folder(args), resume=args.resume)
    if is_first_process():
        print(f"the trained model is in {folder}; see how good it is with: poserior evaluate --run {folder} ...")
    return 0
