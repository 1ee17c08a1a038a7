"""``poserior train``: a configuration to a trained model."""

from argparse import Namespace

from jsonargparse import ArgumentParser

SUMMARY = "train a model: configuration file -> run folder"


def parser() -> ArgumentParser:
    """Options of the verb."""
    from poserior.cli.configuration import add_configuration

    options = ArgumentParser(prog="poserior train", description=SUMMARY)
    options.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/CONFIG)")
    options.add_argument("--resume", action="store_true", help="continue the run in the folder from its last epoch")
    add_configuration(options)
    return options


def run(args: Namespace) -> int:
    """Train; prints the folder."""
    from poserior.cli.configuration import read_configuration, run_folder
    from poserior.training.folder import is_first_process
    from poserior.training.run import train

    folder = train(read_configuration(args), run_folder(args), resume=args.resume)
    if is_first_process():
        print(f"the trained model is in {folder}; see how good it is with: poserior evaluate --run {folder} ...")
    return 0
