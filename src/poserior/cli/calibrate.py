"""``poserior calibrate``: a trained run's densities or confidence, or the scores of anybody's results file."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ActionYesNo, ArgumentParser

from poserior.cli.results import table
from poserior.errors import InputError

SUMMARY = "make the confidence of a run, or of any COCO results file, mean what it says"

RUN_METHODS = ("closed-form", "ccnet", "scale", "conformal")
RESULTS_METHODS = ("boosting", "isotonic", "beta", "mlp")
DEFAULTS: dict[str, dict[str, Any]] = {
    "run": {
        "images": None,
        "fit_share": 0.5,
        "people": None,
        "batch_size": 64,
        "workers": 0,
        "device": None,
        "flip_test": True,
    },
    "results": {"skeleton": "coco17", "folds": 5},
}
"""What each form alone understands, and what it takes where nothing is said."""


def parser() -> ArgumentParser:
    """Options of the verb."""
    verb = ArgumentParser(prog="poserior calibrate", description=SUMMARY)
    verb.add_argument("--run", type=str | None, metavar="DIR", help="a trained run's folder")
    verb.add_argument("--results", type=str | None, metavar="FILE", help="a COCO keypoint-results file instead")
    verb.add_argument(
        "--annotations",
        type=str | None,
        metavar="FILE",
        help="COCO keypoint annotations, .json or .json.gz (default with --run: the run's own validation data)",
    )
    verb.add_argument(
        "--method",
        type=str | None,
        metavar="NAME",
        help=f"with --run {', '.join(RUN_METHODS)}; with --results {', '.join(RESULTS_METHODS)} (default: boosting)",
    )
    verb.add_argument(
        "--output",
        type=str | None,
        metavar="DIR",
        help="folder for what comes out (default with --run: calibrated-METHOD in it; with --results: to be named)",
    )
    verb.add_argument("--skeleton", type=str | None, metavar="NAME", help="with --results: name or YAML file (coco17)")
    verb.add_argument("--folds", type=int | None, metavar="N", help="with --results: parts of the cross-fitting (5)")
    verb.add_argument("--images", type=str | None, metavar="DIR", help="with --run: the pictures; folder, .tar or .zip")
    verb.add_argument(
        "--fit-share",
        type=float | None,
        metavar="S",
        help="with --run: the share of pictures to fit on, the others check it (0.5); 1 holds nothing out",
    )
    verb.add_argument("--people", type=int | None, metavar="N", help="with --run: at most so many, evenly taken (all)")
    verb.add_argument("--batch-size", type=int | None, metavar="N", help="with --run: crops per pass (64)")
    verb.add_argument("--workers", type=int | None, metavar="N", help="with --run: processes that read pictures (0)")
    verb.add_argument("--device", type=str | None, metavar="NAME", help="with --run: cpu, cuda, ... (a GPU if any)")
    verb.add_argument(
        "--flip-test",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=None,
        help="with --run: fuse the mirrored crop (yes)",
    )
    return verb


def run(args: Namespace) -> int:
    """Calibrate, write the result, ``metrics.json`` and ``report.html``, print before and after."""
    if (args.run is None) == (args.results is None):
        raise InputError("expected either --run or --results, found both or none; give one of them")
    form = "run" if args.run is not None else "results"
    other = "results" if form == "run" else "run"
    for name in DEFAULTS[other]:
        if getattr(args, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"expected {option} only with --{other}, found it with --{form}; leave it out")
    for name, value in DEFAULTS[form].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    methods = RUN_METHODS if form == "run" else RESULTS_METHODS
    if args.method is None and form == "results":
        args.method = "boosting"
    if args.method not in methods:
        found = "none" if args.method is None else repr(args.method)
        raise InputError(f"expected --method among {', '.join(methods)} with --{form}, found {found}; choose one")
    if form == "run":
        from poserior.cli.calibrate_run import calibrate_run

        return calibrate_run(args)
    return _results(args)


def _results(args: Namespace) -> int:
    for name in ("annotations", "output"):
        if getattr(args, name) is None:
            raise InputError(f"expected --{name} with --results, found none; name it")

    from poserior import inference, outputs, skeletons
    from poserior.cli.folders import whole_folder
    from poserior.metrics import summarise
    from poserior.report import write_report

    skeleton = skeletons.load(args.skeleton)
    annotations, results = outputs.read_annotations(args.annotations), outputs.read_results(args.results)
    calibrated = inference.recalibrate_results(results, annotations, skeleton, args.method, args.folds, progress=True)
    people = len(inference.labelled_people(annotations, results))
    evaluations, metrics = [], {}
    for name, entries in (("before", results), ("after", calibrated)):
        evaluation = inference.results_to_evaluation(entries, annotations, skeleton, name)
        values: dict[str, Any] = summarise(evaluation, entries, annotations, entries[0].get("category_id", 1))
        values |= {"num_people": people, "num_matched": len(evaluation.image_id), "num_results": len(entries)}
        evaluations.append(evaluation)
        metrics[name] = values
    output = Path(args.output)
    with whole_folder(output) as folder:
        outputs.write_json_list(folder / "results.json", iter(calibrated))
        outputs.write_json(folder / "metrics.json", metrics)
        write_report(
            evaluations,
            metrics,
            None,
            folder / "report.html",
            title=f"{Path(args.results).stem} calibrated on {Path(args.annotations).name}",
            facts={
                "Results": str(args.results),
                "Annotations": str(args.annotations),
                "Method": f"{args.method}, cross-fitted by picture in {args.folds} folds",
                "People": f"{people}, of whom {len(evaluations[0].image_id)} have a result",
                "Skeleton": skeleton.name,
            },
        )
    print(before_and_after(metrics, ("AP", "AP50", "AP75", "AR", "AUSE", "ECE", "pearson", "pearson_instance")))
    print(
        f"{len(results)} results, {metrics['after']['num_matched']} of them beside one of {people} people;"
        f" results.json, metrics.json and report.html are in {output}"
    )
    return 0


def before_and_after(metrics: Mapping[str, Mapping[str, Any]], shown: Sequence[str]) -> str:
    """A table of two rows; a dash where a number is not defined.

    >>> print(before_and_after({"before": {"AP": 0.5}, "after": {"AP": 0.6}}, ["AP", "NLL"]))
    |        | AP     | NLL |
    |--------|--------|-----|
    | before | 0.5000 | -   |
    | after  | 0.6000 | -   |
    """
    rows = {
        name: ["-" if values.get(key) is None else f"{values[key]:.4f}" for key in shown]
        for name, values in metrics.items()
    }
    return table(list(shown), rows, corner="")
