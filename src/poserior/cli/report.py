"""``poserior report``: one page on any number of runs or results files, side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ActionYesNo, ArgumentParser, Namespace

from poserior.cli.results import SHOWN, numbers, picture_of, table
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.skeletons import Skeleton
    from poserior.structures import Evaluation

SUMMARY = "one page on runs or results files, side by side"


def parser() -> ArgumentParser:
    """The verb's options."""
    verb = ArgumentParser(prog="poserior report", description=SUMMARY)
    verb.add_argument("runs", nargs="*", metavar="RUN", help="trained runs' folders; the first one is in focus")
    verb.add_argument(
        "--results", nargs="+", default=[], metavar="FILE", help="COCO keypoint-results files, beside or without runs"
    )
    verb.add_argument(
        "--annotations", metavar="FILE", help="COCO keypoint annotations (default: the first run's validation data)"
    )
    verb.add_argument("--images", metavar="DIR", help="with --annotations: the pictures, a folder, .tar or .zip")
    verb.add_argument("--skeleton", default="coco17", metavar="NAME", help="with --results alone: a name or YAML file")
    verb.add_argument("--title", metavar="TEXT", help="the page's title")
    verb.add_argument(
        "--flip-test", action=ActionYesNo(yes_prefix="", no_prefix="no-"), default=True, help="fuse the mirrored crop"
    )
    verb.add_argument("--batch-size", type=int, default=64, help="crops per pass")
    verb.add_argument("--workers", type=int, default=0, help="processes that read pictures")
    verb.add_argument("--device", metavar="NAME", help="cpu, cuda, ... (default: a GPU if there is one)")
    verb.add_argument("--output", required=True, metavar="DIR", help="folder for report.html and metrics.json")
    return verb


def run(args: Namespace) -> int:
    """Evaluate everything on the same people, write ``metrics.json`` and ``report.html``, print a table."""
    _check(args)
    from poserior import outputs
    from poserior.report import write_report

    if args.runs:
        evaluations, metrics, pictures, data = _of_runs(args)
    else:
        evaluations, metrics, pictures, data = [], {}, None, str(args.annotations)
    evaluations += _of_results(args, evaluations, metrics)
    whole = len(evaluations[0].image_id)
    evaluations, everybody = _same_people(evaluations)
    if pictures is not None:
        shown = pictures
        pictures = lambda n: shown(everybody[n])  # noqa: E731  # a name would be as long as what it does

    output = Path(args.output)
    facts = {"Runs": ", ".join(args.runs), "Results": ", ".join(args.results), "Data": data}
    facts |= {"People": f"{len(everybody)} that all of them answered" if len(everybody) < whole else str(whole)}
    facts |= {"Flip test": ("yes" if args.flip_test else "no") if args.runs else ""}
    outputs.write_json(output / "metrics.json", metrics)
    write_report(
        evaluations,
        metrics,
        pictures,
        output / "report.html",
        title=args.title or " and ".join(metrics),
        facts={key: value for key, value in facts.items() if value},
    )
    columns = [key for key in SHOWN if any(key in numbers(values) for values in metrics.values())]
    rows = {
        name: [f"{found[key]:.4g}" if key in found else "-" for key in columns]
        for name, found in ((name, numbers(values)) for name, values in metrics.items())
    }
    print(f"{table(columns, rows, corner='')}\nmetrics.json and report.html are in {output}")
    return 0


def _check(args: Namespace) -> None:
    if not args.runs and not args.results:
        raise InputError("expected run folders, or --results FILE, found neither; name what the report is about")
    if args.results and args.annotations is None:
        raise InputError("expected --annotations with --results, found none; name the file of the labels")
    if args.runs and (args.annotations is None) != (args.images is None):
        raise InputError("expected both --annotations and --images for runs, found one; give both or none")
    names = _names([*args.runs, *args.results])
    if len(set(names)) != len(names):
        raise InputError("expected every run and results file once, found one twice; leave one out")


def _of_runs(args: Namespace) -> "tuple[list[Evaluation], dict[str, Any], Any, str]":
    """All runs on one data set: the annotations given, else the first run's validation data."""
    from poserior import datasets, inference
    from poserior.cli.data import own_data
    from poserior.metrics import evaluation_to_coco, summarise

    names = _names([*args.runs, *args.results])
    evaluations: list[Evaluation] = []
    metrics: dict[str, Any] = {}
    people: Any = None
    for name, folder in zip(names, map(Path, args.runs), strict=False):
        predictor = inference.load(folder, device=args.device)
        spec = predictor.spec
        if people is None:
            if args.annotations is not None:
                people = datasets.CocoKeypoints(args.annotations, args.images, skeleton=spec.skeleton)
                data = str(args.annotations)
            else:
                people, data = own_data(folder, spec.skeleton, 400)
        elif spec.skeleton != evaluations[0].skeleton:
            raise InputError(
                f"expected all runs to have the skeleton {evaluations[0].skeleton.name}, found {spec.skeleton.name} in"
                f" {folder}; report on it alone"
            )
        evaluation = inference.evaluate_model(
            predictor.model,
            spec,
            people,
            name,
            flip_test=args.flip_test,
            batch_size=args.batch_size,
            num_workers=args.workers,
        )
        evaluations.append(evaluation)
        if args.annotations is None:
            metrics[name] = dict(summarise(evaluation))
        else:  # AP by the file's own protocol: its crowds and unlabelled people count as COCO has them count
            category = people.category[0]
            results = evaluation_to_coco(evaluation, category)[1]
            metrics[name] = dict(summarise(evaluation, results, people.coco_dict(), category))
    return evaluations, metrics, picture_of(people), data


def _of_results(args: Namespace, beside: "Sequence[Evaluation]", metrics: dict[str, Any]) -> "list[Evaluation]":
    """Results files against the annotations; their metrics, over all people, are added to `metrics`."""
    from poserior import skeletons
    from poserior.inference import labelled_people, results_to_evaluation
    from poserior.metrics import summarise
    from poserior.outputs import read_annotations, read_results

    found = []
    for name, path in zip(_names([*args.runs, *args.results])[len(args.runs) :], args.results, strict=True):
        skeleton: Skeleton = beside[0].skeleton if beside else skeletons.load(args.skeleton)
        annotations, results = read_annotations(args.annotations), read_results(path)
        annotations["annotations"] = skeletons.join_annotations(annotations["annotations"], skeleton)
        results = skeletons.join_results(results, skeleton)
        evaluation = results_to_evaluation(results, annotations, skeleton, name)
        values: dict[str, Any] = dict(summarise(evaluation, results, annotations))
        values["num_people"] = len(labelled_people(annotations, results))
        values["num_matched"] = len(evaluation.image_id)
        metrics[name] = values
        found.append(evaluation)
    return found


def _same_people(evaluations: "list[Evaluation]") -> "tuple[list[Evaluation], list[int]]":
    """The evaluations of the people that all have, in one order; and these people's positions in the first."""
    keys = [list(zip(one.image_id, one.annotation_id, strict=True)) for one in evaluations]
    common = set(keys[0]).intersection(*keys[1:])
    if not common:
        raise InputError("expected some people that all answers are about, found none; compare answers on one data set")
    order = [n for n, key in enumerate(keys[0]) if key in common]
    if all(own == keys[0] for own in keys):
        return evaluations, order
    wanted = [keys[0][n] for n in order]
    places = [{key: n for n, key in enumerate(own)} for own in keys]
    return [_taken(one, [place[key] for key in wanted]) for one, place in zip(evaluations, places, strict=True)], order


def _taken(one: "Evaluation", index: list[int]) -> "Evaluation":
    """The record of some people; draws and standardised errors, which belong to nobody, stay as they are."""
    columns: tuple[str, ...] = (
        "keypoints",
        "confidence",
        "score",
        "target",
        "target_visibility",
        "area",
        "box_xyxy",
        "covariance",
    )
    columns += ("visibility", "log_prob", "credible_level", "ellipse_radius", "mean")
    values = {column: getattr(one, column) for column in columns}
    return replace(
        one,
        image_id=tuple(one.image_id[n] for n in index),
        annotation_id=tuple(one.annotation_id[n] for n in index),
        **{column: value[index] for column, value in values.items() if value is not None},
    )


def _names(paths: Sequence[str]) -> list[str]:
    """Each folder's or file's own name; with its folder's where several are called the same.

    >>> _names(["runs/a", "runs/b"]), _names(["one/model", "two/model"])
    (['a', 'b'], ['one/model', 'two/model'])
    """
    resolved = [Path(path).resolve() for path in paths]
    short = [path.name if path.is_dir() else path.stem for path in resolved]
    if len(set(short)) == len(short):
        return short
    return [f"{path.parent.name}/{name}" for path, name in zip(resolved, short, strict=True)]
