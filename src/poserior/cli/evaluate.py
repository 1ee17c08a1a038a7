"""``poserior evaluate``: a trained run, or anybody's results file, against annotations."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ActionYesNo, ArgumentParser, Namespace

from poserior.cli.evaluate_dense import add_dense_options, evaluate_dense_run, refuse_dense_options
from poserior.cli.results import SHOWN, numbers, part_table, picture_of, runs_of, table
from poserior.errors import InputError
from poserior.loading import is_dense

if TYPE_CHECKING:
    import numpy as np

    from poserior.structures import Evaluation

BATCH_SIZE = 64
SUMMARY = "evaluate a trained run, or any COCO results file, against annotations"


def parser() -> ArgumentParser:
    """The verb's options."""
    verb = ArgumentParser(prog="poserior evaluate", description=SUMMARY)
    verb.add_argument(
        "--run", type=str | None, default=None, help="a trained run's folder (with --images); A,B is their ensemble"
    )
    verb.add_argument("--results", type=str | None, default=None, help="a COCO keypoint-results file instead of a run")
    verb.add_argument(
        "--annotations",
        type=str | None,
        default=None,
        help="COCO annotations, .json or .json.gz; a one-stage run knows its own validation pictures",
    )
    verb.add_argument("--images", type=str | None, default=None, help="the annotated pictures: a folder, .tar or .zip")
    verb.add_argument(
        "--boxes",
        type=str | None,
        default=None,
        help="with --run: a JSON list of detections (image_id, category_id, bbox, score) in place of annotated boxes",
    )
    verb.add_argument(
        "--score-threshold", type=float, default=0.0, help="with --boxes: leave out boxes that score less"
    )
    verb.add_argument("--max-boxes", type=int | None, default=None, help="with --boxes: the N best of each picture")
    verb.add_argument(
        "--oks-nms",
        type=float | None,
        default=0.9,
        help="with --boxes: of people whose keypoints' OKS is above, keep the best-scored; null for all",
    )
    verb.add_argument("--skeleton", type=str, default="coco17", help="with --results: a skeleton's name or YAML file")
    verb.add_argument(
        "--output",
        type=str | None,
        default=None,
        help="folder for metrics.json and report.html (default: evaluation-<annotations> beside the model or results)",
    )
    verb.add_argument(
        "--report",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=None,
        help="write report.html too (default: yes for a run, no for a results file, which is measured at once)",
    )
    verb.add_argument(
        "--flip-test", action=ActionYesNo(yes_prefix="", no_prefix="no-"), default=True, help="fuse the mirrored crop"
    )
    verb.add_argument("--batch-size", type=int | None, default=None, help="crops (64) or pictures (8) per pass")
    verb.add_argument("--workers", type=int, default=0, help="processes that read pictures")
    verb.add_argument("--device", type=str | None, default=None, help="cpu, cuda, ... (default: a GPU if there is one)")
    add_dense_options(verb)
    return verb


def run(args: Namespace) -> int:
    """Evaluate, write ``metrics.json`` and, unless not wanted, ``report.html``, print a table."""
    if (args.run is None) == (args.results is None):
        raise InputError("expected either --run or --results, found both or none; give one of them")
    if args.run is None and args.boxes is not None:
        raise InputError("expected --boxes with --run, found it with --results; leave it out")
    if args.run is not None and is_dense(args.run):
        return evaluate_dense_run(args)
    refuse_dense_options(args)
    if args.annotations is None:
        raise InputError("expected --annotations FILE, found none; name the COCO annotations to compare with")
    if args.run is not None and args.images is None:
        raise InputError("expected --images with --run, found none; name the folder or archive of the pictures")
    runs = [] if args.run is None else runs_of(args.run)
    beside = runs[0] if len(runs) == 1 else (runs[0] if runs else Path(args.results)).parent
    stem = Path(args.annotations).name.removesuffix(".gz").removesuffix(".json")
    members = "+".join(run.resolve().name for run in runs) + "-" if len(runs) > 1 else ""
    output = Path(args.output) if args.output is not None else beside / f"{members}evaluation-{stem}"

    if args.run is None:
        with _no_collection():
            return _finish(args, output, *_of_results(args))
    return _finish(args, output, *(_of_run(args) if args.boxes is None else _of_boxes(args, output)))


def _finish(
    args: Namespace,
    output: Path,
    evaluation: "Evaluation",
    metrics: dict[str, Any],
    pictures: "Callable[[int], np.ndarray] | None",
    facts: dict[str, str],
) -> int:
    from poserior.outputs import write_json

    write_json(output / "metrics.json", metrics)
    written = "metrics.json (no report.html without --report) is"
    if args.report or (args.report is None and args.run is not None):
        from poserior.report import write_report

        write_report(
            [evaluation],
            {evaluation.name: metrics},
            pictures,
            output / "report.html",
            title=f"{evaluation.name} on {Path(args.annotations).name}",
            facts=facts,
        )
        written = "metrics.json and report.html are"
    shown = {key: value for key, value in numbers(metrics).items() if key in SHOWN}
    print(table(list(shown), {evaluation.name: [f"{value:.4g}" for value in shown.values()]}, corner=""))
    if "per_part" in metrics:
        print(f"\n{part_table(metrics['per_part'])}\n")
    print(f"{len(evaluation.image_id)} people; {written} in {output}")
    return 0


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's search for cycles: among a file's million small lists it finds none and costs a fifth."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _of_run(args: Namespace) -> "tuple[Evaluation, dict[str, Any], Any, dict[str, str]]":
    from poserior import datasets, inference
    from poserior.metrics import evaluation_to_coco, summarise

    predictor = inference.load(runs_of(args.run), device=args.device)
    data = datasets.CocoKeypoints(args.annotations, args.images, skeleton=predictor.spec.skeleton)
    name = "+".join(run.resolve().name for run in runs_of(args.run))
    evaluation = inference.evaluate_model(
        predictor.model,
        predictor.spec,
        data,
        name,
        flip_test=args.flip_test,
        batch_size=args.batch_size or BATCH_SIZE,
        num_workers=args.workers,
    )

    facts = {
        "Run": str(args.run),
        "Annotations": str(args.annotations),
        "People": str(len(data)),
        "Skeleton": predictor.spec.skeleton.name,
        "Flip test": "yes" if args.flip_test else "no",
    }
    # AP by the file's own protocol: its crowds and unlabelled people count as COCO has them count.
    category = data.category[0]
    results = evaluation_to_coco(evaluation, category)[1]
    return evaluation, summarise(evaluation, results, data.coco_dict(), category), picture_of(data), facts


def _of_boxes(args: Namespace, output: Path) -> "tuple[Evaluation, dict[str, Any], Any, dict[str, str]]":
    """People in detected boxes, first a results file, then measured as any results file."""
    from poserior import datasets, inference, outputs
    from poserior.metrics import summarise

    predictor = inference.load(
        args.run, flip_test=args.flip_test, batch_size=args.batch_size or BATCH_SIZE, device=args.device
    )
    spec = predictor.spec
    boxes = datasets.CocoKeypoints(
        args.annotations,
        args.images,
        skeleton=spec.skeleton,
        boxes=args.boxes,
        min_score=args.score_threshold,
        max_boxes=args.max_boxes,
    )
    if not len(boxes):
        raise InputError(
            f"expected detections of category {boxes.category[0]} in {args.boxes} that score at least"
            f" {args.score_threshold:g}, found none; correct the file or lower --score-threshold"
        )
    name = Path(args.run).resolve().name
    people = inference.predict_people(predictor, boxes, f"evaluate {name}", args.workers)
    if args.oks_nms is not None:
        people = inference.without_duplicates(people, spec.area_per_box, args.oks_nms)
    results = [person.to_coco(boxes.category[0]) for person in people]
    outputs.write_json_list(output / "results.json", iter(results))
    annotations = boxes.coco_dict()
    evaluation = inference.results_to_evaluation(results, annotations, spec.skeleton, name)
    metrics: dict[str, Any] = summarise(evaluation, results, annotations, boxes.category[0])
    metrics["num_people"] = len(inference.labelled_people(annotations, results))
    metrics["num_matched"] = len(evaluation.image_id)
    metrics["num_results"] = len(results)
    labelled = datasets.CocoKeypoints(args.annotations, args.images, skeleton=spec.skeleton)
    places = {int(number): n for n, number in enumerate(labelled.samples.annotation_id)}
    shown = picture_of(labelled)
    facts = {
        "Run": str(args.run),
        "Annotations": str(args.annotations),
        "Boxes": f"{args.boxes}: {len(boxes)}, of which {len(results)} stay",
        "OKS-NMS": "off" if args.oks_nms is None else f"{args.oks_nms:g}",
        "People": f"{metrics['num_people']}, of whom {metrics['num_matched']} have a result",
        "Skeleton": spec.skeleton.name,
        "Flip test": "yes" if args.flip_test else "no",
    }
    return evaluation, metrics, lambda n: shown(places[evaluation.annotation_id[n]]), facts


def _of_results(args: Namespace) -> "tuple[Evaluation, dict[str, Any], None, dict[str, str]]":
    from poserior import skeletons
    from poserior.inference import labelled_people, results_to_evaluation
    from poserior.metrics import summarise
    from poserior.outputs import read_annotations, read_results

    skeleton = skeletons.load(args.skeleton)
    annotations, results = read_annotations(args.annotations), read_results(args.results)
    annotations["annotations"] = skeletons.join_annotations(annotations["annotations"], skeleton)
    results = skeletons.join_results(results, skeleton)
    evaluation = results_to_evaluation(results, annotations, skeleton, Path(args.results).stem)
    metrics: dict[str, Any] = summarise(evaluation, results, annotations)
    metrics["num_people"] = len(labelled_people(annotations, results))
    metrics["num_matched"] = len(evaluation.image_id)
    facts = {
        "Results": str(args.results),
        "Annotations": str(args.annotations),
        "People": f"{metrics['num_people']}, of whom {metrics['num_matched']} have a result",
        "Skeleton": skeleton.name,
    }
    return evaluation, metrics, None, facts
