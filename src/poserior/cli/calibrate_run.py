"""``poserior calibrate --run``: fit on some pictures' people, check on the others'."""

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

from torch.utils.data import Subset

from poserior import inference, outputs, post_hoc
from poserior.calibration import picture_hash
from poserior.cli.calibrate import before_and_after
from poserior.cli.data import own_data
from poserior.cli.folders import whole_folder
from poserior.cli.results import picture_of
from poserior.datasets import CocoKeypoints, KeypointDataset
from poserior.errors import InputError
from poserior.metrics import region_reach, summarise
from poserior.metrics.coverage import PROBABILITIES
from poserior.models import ModelSpec, Regressor, load_model, save_model
from poserior.report import write_report
from poserior.structures import Evaluation

SHOWN = ("AP", "AR", "NLL", "coverage@50", "coverage@80", "coverage@90", "coverage@95", "AUSE", "ECE", "pearson")

FIGURES = 2000
"""So many generated people stand in where a run has no validation data."""


def calibrate_run(args: Namespace) -> int:
    """Save the calibrated run, ``metrics.json`` and ``report.html``, print before and after."""
    if (args.annotations is None) != (args.images is None):
        raise InputError("expected --annotations and --images together, found one of them; give both or none")
    if not 0 < args.fit_share <= 1:
        raise InputError(f"expected --fit-share above 0 and up to 1, found {args.fit_share}; give 0.5")
    for name in ("people", "batch_size"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"expected --{name.replace('_', '-')} from 1, found {value}; change it")
    source_folder = Path(args.run)
    output = source_folder / f"calibrated-{args.method}" if args.output is None else Path(args.output)
    if output.resolve() == source_folder.resolve():
        raise InputError(f"expected an --output beside the run {args.run}, found the run itself; choose another")
    model, spec = load_model(source_folder)
    model.to(inference.Predictor(model, spec, device=args.device).device)
    people, source = _people(args, source_folder, spec.skeleton)
    fit, check = _split(people, args.people, args.fit_share)
    held_out = f"pictures with hash below {args.fit_share:g}" if check else "all pictures"
    settings = {"flip_test": args.flip_test, "batch_size": args.batch_size}
    calibrated, described = getattr(post_hoc, args.method.replace("-", "_"))(
        model, spec, Subset(people, fit), source=f"{source}, {held_out}", workers=args.workers, **settings
    )
    evaluations, metrics = [], {}
    # Nothing is held out: the record of the very people it was fitted on would only flatter.
    for name, each, each_spec in (("before", model, spec), ("after", calibrated, described)) if check else ():
        evaluation = inference.evaluate_model(
            each, each_spec, Subset(people, check), name, num_workers=args.workers, **settings
        )
        evaluations.append(evaluation)
        metrics[name] = dict(summarise(evaluation))
    if check and described.regions is not None:
        metrics["after"]["regions"] = _regions_hold(calibrated, described, evaluations[-1])
    with whole_folder(output) as folder:
        save_model(calibrated, described, folder)
        if (source_folder / "config.yaml").is_file():
            shutil.copyfile(source_folder / "config.yaml", folder / "config.yaml")
        if check:
            outputs.write_json(folder / "metrics.json", metrics)
            shown = picture_of(people)
            write_report(
                evaluations,
                metrics,
                lambda n: shown(check[n]),
                folder / "report.html",
                title=f"{source_folder.resolve().name} calibrated: {args.method}",
                facts={
                    "Run": str(args.run),
                    "Method": args.method,
                    "People": f"{source}: fitted on {len(fit)}, checked on {len(check)} in other pictures",
                    "Skeleton": spec.skeleton.name,
                    "Flip test": "yes" if args.flip_test else "no",
                },
            )
    if check:
        print(before_and_after(metrics, SHOWN))
        if regions := metrics["after"].get("regions"):
            shares = ", ".join(f"{promised} %: {100 * share:.1f} %" for promised, share in regions.items())
            print(f"conformal ellipses, promised and held: {shares}")
        print(f"fitted on {len(fit)} people, checked on {len(check)} in other pictures; the run is in {output}")
    else:
        print(f"fitted on {len(fit)} people, nothing held out to check it on; the run is in {output}")
    return 0


def _regions_hold(model: Regressor, spec: ModelSpec, evaluation: Evaluation) -> dict[str, float]:
    """By the promised coverage in per cent: the share of labels inside the conformal ellipses about the answers."""
    assert model.regions is not None
    assert evaluation.covariance is not None
    area = spec.expected_area(evaluation.box_xyxy).to(next(model.parameters()).device)
    seen = evaluation.target_visibility > 0
    held = {}
    for promised in PROBABILITIES:
        radius = model.regions.radii(promised, area).cpu()
        reach = region_reach(evaluation.keypoints, evaluation.target, evaluation.covariance, radius)
        held[f"{100 * promised:g}"] = float((reach <= 1)[seen].float().mean())
    return held


def _people(args: Namespace, folder: Path, skeleton: Any) -> tuple[KeypointDataset, str]:
    if args.annotations is not None:
        return CocoKeypoints(args.annotations, args.images, skeleton=skeleton), Path(args.annotations).name
    return own_data(folder, skeleton, FIGURES if args.people is None else args.people)


def _split(people: KeypointDataset, count: int | None, fit_share: float) -> tuple[list[int], list[int]]:
    """Whom to fit on and whom to check on; everybody of a picture is on one side."""
    total = len(people)
    taken = range(total) if count is None or count >= total else [i * total // count for i in range(count)]
    hashes = {i: picture_hash(people.image_id(i)) for i in taken}
    fit = [i for i in taken if hashes[i] < fit_share]
    check = [i for i in taken if hashes[i] >= fit_share]
    if not fit or (fit_share < 1 and not check):
        raise InputError(
            f"expected people to fit on and others to check on, found {len(fit)} and {len(check)} at --fit-share"
            f" {fit_share:g}; annotate more pictures or change the share"
        )
    return fit, check
