"""``poserior doctor sigmas``: the OKS constants of one's own keypoints."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from poserior.cli.results import table
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.calibration import SigmaEstimate
    from poserior.skeletons import Skeleton


def sigmas(args: Namespace) -> int:
    """Estimate the constants, print them, write the skeleton."""
    if args.repeated is not None and args.results is not None:
        raise InputError("expected --repeated or --results, found both; give one of them")
    if args.results is None and args.anchor is not None:
        raise InputError("expected --anchor with --results, found it without; leave it out")
    if args.average not in (None, "mean", "median"):
        raise InputError(f"expected --average mean or median, found {args.average!r}; choose one")

    from poserior import datasets, skeletons

    skeleton = datasets.skeleton_of(args.annotations) if args.skeleton is None else skeletons.load(args.skeleton)
    if args.repeated is not None:
        estimate, says = _from_repeats(args, skeleton)
        method = "repeats"
    elif args.results is not None:
        estimate, says, method = _from_residuals(args, skeleton)
    else:
        estimate, says, method = None, "Guesses by the keypoints' names; annotate people twice for better ones.", ""
    constants, rows = _table(skeleton, estimate, method)
    print(table(["sigma", "95 % interval", "n", "method"], rows, corner="keypoint"))
    print(f"\n{says}")
    if args.output is None:
        print("--output FILE.yaml writes the skeleton with these constants")
        return 0

    from poserior.whole_files import replacing

    with replacing(Path(args.output)) as file:
        file.write(skeletons.to_yaml(replace(skeleton, oks_sigmas=constants)))
    print(f"the skeleton is in {args.output}")
    return 0


def _from_repeats(args: Namespace, skeleton: "Skeleton") -> "tuple[SigmaEstimate, str]":
    from poserior import calibration, datasets

    people = datasets.repeated_people(args.annotations, args.repeated, skeleton)
    estimate = calibration.sigmas_from_repeats(
        people.first, people.second, people.area, people.labelled, average=args.average or "mean"
    )
    one, two = people.found
    return estimate, f"{len(people.area)} people annotated twice (of {one} and {two}); sigma^2 = E[d^2 / (2 area)]."


def _from_residuals(args: Namespace, skeleton: "Skeleton") -> "tuple[SigmaEstimate, str, str]":
    from poserior import calibration
    from poserior.inference import results_to_evaluation
    from poserior.outputs import read_annotations, read_results

    people = results_to_evaluation(
        read_results(args.results), read_annotations(args.annotations), skeleton, Path(args.results).stem
    )
    labelled = (people.target_visibility > 0) & (people.area > 0)[:, None]
    estimate = calibration.sigmas_from_residuals(
        people.keypoints, people.target, people.area, labelled, average=args.average or "median"
    )
    anchors = _anchors(args.anchor, skeleton)
    count = f"Errors of {len(people.score)} people"
    if not anchors:
        return estimate, f"{count}: upper bounds, for they hold the model's own errors too.", "results"
    estimate, factor = calibration.anchored(estimate, skeleton.keypoints, anchors)
    says = (
        f"{count}, times {factor:.3g} so that {', '.join(anchors)} agree with their known constants. Divided by this"
        " factor they are upper bounds, for they hold the model's own errors too."
    )
    return estimate, says, "results, anchored"


def _anchors(given: str | None, skeleton: "Skeleton") -> dict[str, float]:
    if given == "none":
        return {}
    if given is None:
        from poserior import skeletons

        coco = skeletons.load("coco17")
        known = dict(zip(coco.keypoints, coco.oks_sigmas, strict=True))
        plain = {name: name.lower().replace(" ", "_").replace("-", "_") for name in skeleton.keypoints}
        return {name: known[like] for name, like in plain.items() if like in known}
    anchors: dict[str, float] = {}
    for part in given.split(","):
        name, _, number = part.partition("=")
        try:
            anchors[name.strip()] = float(number)
        except ValueError:
            anchors[name.strip()] = 0.0
        if not 0 < anchors[name.strip()] < float("inf"):
            raise InputError(f"expected --anchor as NAME=SIGMA,NAME=SIGMA with positive sigmas, found {part!r}")
        skeleton.index(name.strip())
    return anchors


def _table(
    skeleton: "Skeleton", estimate: "SigmaEstimate | None", method: str
) -> tuple[tuple[float, ...], dict[str, list[str]]]:
    """The constants, estimated or else by name, and their lines."""
    from poserior.calibration import PEOPLE_NEEDED
    from poserior.skeletons import middle_sigma, sigma_by_name

    sigmas, rows = [], {}
    for k, name in enumerate(skeleton.keypoints):
        count = 0 if estimate is None else int(estimate.count[k])
        if estimate is not None and bool(estimate.sigma[k].isfinite()):
            sigmas.append(float(estimate.sigma[k]))
            interval = f"{float(estimate.low[k]):.4f} to {float(estimate.high[k]):.4f}"
            rows[name] = [f"{sigmas[-1]:.4f}", interval, str(count), method]
            continue
        sigma, like = sigma_by_name(name) or (middle_sigma(), "")
        sigmas.append(sigma)
        why = f"by name: {like}" if like else "unknown name: COCO's middle"
        if estimate is not None:
            why += f" ({PEOPLE_NEEDED} needed)" if count < PEOPLE_NEEDED else " (no such answers)"
        rows[name] = [f"{sigma:.4f}", "-", str(count) if estimate is not None else "-", why]
    return tuple(sigmas), rows
