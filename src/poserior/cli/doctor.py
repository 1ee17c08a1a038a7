"""``poserior doctor SUBJECT``: what one's own data says about itself. Subjects: the labels, the OKS constants."""

from argparse import Namespace

from jsonargparse import ArgumentParser

from poserior.cli.doctor_data import data
from poserior.cli.doctor_sigmas import sigmas
from poserior.errors import InputError

SUMMARY = "examine one's own data: data (what is wrong with it), sigmas (the OKS constants of one's keypoints)"

SUBJECTS = {
    "data": "what is wrong with annotations and pictures, and what to do about it",
    "sigmas": "OKS constants from repeated annotations, from a model's results, or from the names alone",
}

_OF = {"data": ("val", "images", "val_images"), "sigmas": ("repeated", "results", "anchor", "average")}


def parser() -> ArgumentParser:
    """Options of the verb."""
    subjects = "; ".join(f"{name}: {says}" for name, says in SUBJECTS.items())
    exits = "data ends with exit code 0 if nothing is wrong (hints do not count), 1 if something is, 2 for bad usage."
    options = ArgumentParser(prog="poserior doctor", description=f"{SUMMARY}. {exits}")
    options.add_argument("subject", nargs="?", default="", metavar="SUBJECT", help=subjects)
    options.add_argument("--annotations", metavar="FILE", help="COCO keypoint annotations, .json or .json.gz")
    options.add_argument("--val", metavar="FILE", help="data: the validation set's annotations, for leaks between both")
    options.add_argument("--images", metavar="DIR", help="data: the pictures, a folder, .tar or .zip")
    options.add_argument("--val-images", metavar="DIR", help="data: the validation set's pictures (default: --images)")
    options.add_argument("--repeated", metavar="FILE", help="sigmas: the same people annotated again, by somebody else")
    options.add_argument("--results", metavar="FILE", help="sigmas: a model's COCO keypoint results on these people")
    options.add_argument(
        "--skeleton", metavar="NAME", help="a skeleton's name or YAML file (default: the annotations' category)"
    )
    options.add_argument(
        "--anchor",
        metavar="A=S,B=S",
        help="with --results: keypoints whose constants are known, or none (default: COCO's, where names agree)",
    )
    options.add_argument(
        "--average",
        metavar="HOW",
        help="mean (COCO's definition; default with --repeated) or median (forgives outliers; with --results)",
    )
    options.add_argument(
        "--output",
        metavar="FILE",
        help="data: the findings as JSON; sigmas: the skeleton with these constants, as YAML",
    )
    return options


def run(args: Namespace) -> int:
    """Examine, print, write."""
    if args.subject not in SUBJECTS:
        found = repr(args.subject) if args.subject else "none"
        raise InputError(f"expected a subject ({', '.join(SUBJECTS)}), found {found}; see poserior doctor --help")
    if args.annotations is None:
        raise InputError("expected --annotations FILE, found none; name the file of the labels")
    for other, options in _OF.items():
        for option in options:
            if other != args.subject and getattr(args, option) is not None:
                given = option.replace("_", "-")
                raise InputError(
                    f"expected --{given} with doctor {other}, found it with doctor {args.subject}; leave it out"
                )
    return data(args) if args.subject == "data" else sigmas(args)
