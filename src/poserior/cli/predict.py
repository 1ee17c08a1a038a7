"""``poserior predict``: keypoints with error bars of the people in pictures, or boxes with theirs."""

import sys
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ActionYesNo, ArgumentParser, Namespace

from poserior.cli.results import runs_of
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.jobs import Job, JobFolder, Part, Sources

SUMMARY = "predict keypoints, covariances and confidences of the people in pictures"


def parser() -> ArgumentParser:
    """The verb's options."""
    verb = ArgumentParser(prog="poserior predict", description=SUMMARY)
    verb.add_argument(
        "inputs", type=str, nargs="+", metavar="INPUT", help="pictures, folders, patterns, .tar archives, videos"
    )
    verb.add_argument(
        "--run", type=str, required=True, help="a trained run's folder (A,B is their ensemble), or an exported .onnx"
    )
    verb.add_argument(
        "--model",
        type=Literal["auto", "top-down", "dense"],
        default="auto",
        help="the kind of the run: top-down goes by boxes, dense (one-stage) finds people or objects itself",
    )
    verb.add_argument("--recursive", action="store_true", help="look in the folders' subfolders too")
    verb.add_argument(
        "--boxes",
        type=str | None,
        default=None,
        help="people's boxes: COCO annotations or a JSON list of detections (default: a picture is one person)",
    )
    verb.add_argument(
        "--detector",
        type=str | None,
        default=None,
        help="find people with one of torchvision's detectors, e.g. fasterrcnn_mobilenet_v3_large_320_fpn",
    )
    verb.add_argument(
        "--detector-weights",
        type=str | None,
        default=None,
        help="file of its weights (default: torchvision's, downloaded once)",
    )
    verb.add_argument("--detector-threshold", type=float, default=0.5, help="score from which its boxes count")
    verb.add_argument(
        "--output", type=str, default="predictions", help="folder for results.json and overlays/; a job that was"
        " begun there goes on"
    )  # fmt: skip
    verb.add_argument("--overwrite", action="store_true", help="begin anew where --output holds another job's results")
    _yes_no(
        verb, "--flip-test", None, "fuse the mirrored crop (default: yes; an .onnx file does as exported; dense: no)"
    )
    _yes_no(verb, "--overlays", True, "draw overlays/<name>.jpg (not for videos)")
    verb.add_argument("--csv", action="store_true", help="write results.csv too, one row per person")
    verb.add_argument("--parquet", action="store_true", help="write results.parquet too, one row per person")
    verb.add_argument("--video", action="store_true", help="write videos/<name>.mp4 too, with the people drawn in")
    verb.add_argument(
        "--regions",
        type=float | None,
        default=None,
        help="coverage of the regions of a run calibrated by --method conformal (default: 0.9 where there are any)",
    )
    verb.add_argument(
        "--batch-size", type=int | None, default=None, help="crops (dense: pictures) per pass (default: 64; dense: 8)"
    )
    verb.add_argument(
        "--score-threshold",
        type=float | None,
        default=None,
        help="leave out people with a lower score (default: 0; dense: 0.1)",
    )
    verb.add_argument(
        "--choice",
        type=Literal["best", "mean", "bishop", "densest"],
        default="best",
        help="dense: answer with the heaviest component, the mixture's mean, the component of the highest peak, or the"
        " densest point",
    )
    verb.add_argument(
        "--scales", type=str, default="1", help="dense: run at each of these scales, e.g. 0.5,0.75,1,1.25,1.5"
    )
    verb.add_argument(
        "--nms",
        type=Literal["gaussian", "linear", "none"] | None,
        default=None,
        help="dense: soft suppression of overlapping boxes (default: gaussian with several scales, else none)",
    )
    verb.add_argument(
        "--score",
        type=Literal["expected", "centre"],
        default="expected",
        help="dense: rank by the centre's probability times the expected OKS (IoU), or by the centre alone",
    )
    verb.add_argument(
        "--oks-nms",
        type=float | None,
        default=None,
        help="of people in a picture whose keypoints' OKS is above, keep the best-scored (0.9 is usual; default: off)",
    )
    _yes_no(verb, "--skip-unreadable", False, "report pictures that cannot be read and go on")
    verb.add_argument("--device", type=str | None, default=None, help="cpu, cuda, ... (default: a GPU if there is one)")
    verb.add_argument(
        "--readers", type=int | None, default=None, help="threads that read pictures (default: one per core, up to 16)"
    )
    verb.add_argument("--part-size", type=int, default=256, help="pictures per part; what is done stays done by parts")
    verb.add_argument(
        "--shard",
        type=str | None,
        default=None,
        help="do only the parts of shard I/N, I from 0; auto asks torchrun's or a Slurm array's environment",
    )
    verb.add_argument("--join", action="store_true", help="only join the parts that shards have left")
    verb.add_argument(
        "--engine",
        type=Literal["local", "ray"],
        default="local",
        help="ray shares the parts out to a Ray cluster (RAY_ADDRESS), or to processes of this machine",
    )
    verb.add_argument(
        "--workers",
        type=int | None,
        default=None,
        help="with ray: workers with a model each (default: one per GPU, else per two cores)",
    )
    return verb


def _yes_no(verb: ArgumentParser, name: str, default: bool | None, text: str) -> None:
    verb.add_argument(name, action=ActionYesNo(yes_prefix="", no_prefix="no-"), default=default, help=text)


def run(args: Namespace) -> int:
    """Predict what is not done yet, join it to ``results.json``, print where it is."""
    from poserior import jobs

    _check(args)
    job = _job(args)
    sources = jobs.Sources(job)
    if args.video and not sources.videos:
        raise InputError("expected a video among the inputs for --video, found none; leave it out")
    folder = jobs.JobFolder(job.folder)
    description = jobs.describe_job(job, len(sources), sources.fingerprint())
    begun = not args.overwrite and folder.check(description)
    if begun and folder.results.exists():
        folder.tidy()
        print(f"already finished; results.json is in {args.output} (--overwrite begins anew)")
        _extras(args, folder, sources)
        return 0
    mine = jobs.share(sources.parts, jobs.parse_shard(args.shard)) if args.shard else sources.parts
    todo = [] if args.join else folder.missing(mine) if begun else mine
    if begun and not args.join:
        print(f"going on: {len(mine) - len(todo)} of {len(mine)} parts are done", file=sys.stderr)
    if todo:
        _predict(args, job, sources, folder, description, todo, mine)
    missing = folder.missing(sources.parts)
    if args.shard and missing and not folder.results.exists():
        there = len(sources.parts) - len(missing)
        print(f"this shard is done; {there} of all {len(sources.parts)} parts are there, the last shard joins them")
        return 0
    total = jobs.join(job, sources)
    files = "results.json and overlays are" if job.overlays else "results.json is"
    what = "people" if folder.skeleton() is not None else "boxes"
    print(f"{total.people} {what} in {len(sources)} pictures; {files} in {args.output}")
    _extras(args, folder, sources)
    return 0


def _check(args: Namespace) -> None:
    if args.overwrite and (args.shard or args.join):
        raise InputError("expected --overwrite without --shard and --join, found both; remove the folder first")
    if args.detector_weights is not None and args.detector is None:
        raise InputError("expected --detector with --detector-weights, found none; name the detector")
    if args.workers is not None and args.engine != "ray":
        raise InputError("expected --workers with --engine ray, found it without; leave it out")


def _job(args: Namespace) -> "Job":
    from poserior.jobs import Job

    runs = tuple(map(str, runs_of(args.run)))
    options = {name: args[name] for name in Job.options()}
    options["model"], options["scales"] = _kind(args.model, runs), _scales(args.scales)
    dense = options["model"] == "dense"
    if not dense:
        _only_defaults(args)
    if options["flip_test"] is None and not any(run.endswith(".onnx") for run in runs):
        options["flip_test"] = not dense
    for name, usual in (("batch_size", 8 if dense else 64), ("score_threshold", 0.1 if dense else 0.0)):
        options[name] = usual if options[name] is None else options[name]
    return Job(inputs=tuple(args.inputs), run=runs, **options).absolute()


def _kind(wanted: str, runs: tuple[str, ...]) -> str:
    """What the runs are; an error where something else was asked for."""
    from poserior.loading import is_dense

    dense = [run for run in runs if is_dense(run)]
    if wanted == "dense" and len(dense) < len(runs):
        other = next(run for run in runs if run not in dense)
        raise InputError(f"expected a one-stage run for --model dense, found another model at {other}; leave it out")
    if wanted == "top-down" and dense:
        raise InputError(
            f"expected a top-down run for --model top-down, found a one-stage run at {dense[0]}; leave it out"
        )
    return "dense" if dense else "top-down"


def _scales(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"expected numbers with commas for --scales, found {text!r}; write e.g. 0.5,1,1.5") from None


def _only_defaults(args: Namespace) -> None:
    """Options of one-stage runs mean nothing to others: said, not passed over."""
    for name, usual in (("choice", "best"), ("scales", "1"), ("nms", None), ("score", "expected")):
        if args[name] != usual:
            raise InputError(f"expected --{name} with a one-stage run, found it with a top-down one; leave it out")


def _predict(
    args: Namespace,
    job: "Job",
    sources: "Sources",
    folder: "JobFolder",
    description: dict[str, Any],
    todo: "list[Part]",
    mine: "list[Part]",
) -> None:
    from tqdm import tqdm

    from poserior.jobs import Worker

    worker = Worker(job, sources)
    if args.overwrite:
        folder.clear()
    folder.begin(description, worker.predictor.spec.skeleton)
    total, left = sum(map(len, mine)), sum(map(len, todo))
    with tqdm(total=total, initial=total - left, desc="predict", unit=" pictures", file=sys.stderr) as bar:
        if args.engine == "ray":
            from poserior.jobs.cluster import run_on_ray

            del worker
            run_on_ray(job, todo, args.workers, bar.update, lambda text: bar.write(text, file=sys.stderr))
            return
        worker.say, worker.advance = lambda text: bar.write(text, file=sys.stderr), lambda: _step(bar)
        for _ in worker.run(todo):
            pass


def _step(bar: Any) -> None:
    bar.update()


def _extras(args: Namespace, folder: "JobFolder", sources: "Sources") -> None:
    """Tables and drawn videos, which are made of the joined results, at the end or any time later."""
    from poserior import jobs

    suffixes = [suffix for suffix, asked in ((".csv", args.csv), (".parquet", args.parquet)) if asked]
    made = jobs.write_tables(folder, suffixes) if suffixes else []
    made += jobs.draw_videos(folder, sources) if args.video else []
    for path in made:
        print(f"wrote {path.relative_to(folder.path)}")
