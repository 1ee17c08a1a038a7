"""``poserior analyse SUBJECT``: trained runs under occlusion and truncation, and the law of their errors."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from poserior.cli.data import own_data
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.datasets import KeypointDataset
    from poserior.inference import Predictor

SUMMARY = "look into trained runs: occlusion, truncation, density, flow, confidence, components"

SUBJECTS = {
    "occlusion": "a grey square over each keypoint in turn: which errors grow, and does the spread?",
    "truncation": "pictures that end early: the keypoints that are left, and those that are gone",
    "density": "the learned law of errors beside Laplace, Gaussian and, on Figures, the true one",
    "flow": "is one law of errors enough for all keypoints?",
    "confidence": "a growing patch on each joint: OKS and confidence; reliability and oracle gap on the same people",
    "components": "one-stage networks: what each component of the mixture is for",
}
ARRAYS = ("errors", "joint", "learned", "axis", "true_draws", "evaluation", "shown")
"""What the pictures are drawn from and no JSON file needs."""


def parser() -> ArgumentParser:
    """Options of the verb."""
    subjects = "; ".join(f"{name}: {says}" for name, says in SUBJECTS.items())
    options = ArgumentParser(prog="poserior analyse", description=SUMMARY)
    options.add_argument("subject", nargs="?", default="", metavar="SUBJECT", help=subjects)
    options.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="DIR",
        help="a trained run's folder; several (or A,B) side by side",
    )
    options.add_argument("--annotations", metavar="FILE", help="COCO keypoint annotations (default: the run's own)")
    options.add_argument("--images", metavar="DIR", help="their pictures: a folder, .tar or .zip")
    options.add_argument("--output", metavar="DIR", help="folder for SUBJECT.json and .html (default: the first run's)")
    options.add_argument(
        "--people",
        type=int,
        default=1000,
        metavar="N",
        help="at most so many, evenly taken (1000); components: pictures",
    )
    options.add_argument("--size", type=float, default=0.2, metavar="S", help="occlusion: square's side per box (0.2)")
    options.add_argument("--cuts", default="0,0.1,0.2,0.3,0.4,0.5", metavar="A,B", help="truncation: shares cut off")
    options.add_argument("--side", default="bottom", metavar="SIDE", help="truncation: bottom, top, left or right")
    options.add_argument("--keep", default="rest", metavar="BOX", help="truncation: box of the rest, or the whole box")
    options.add_argument(
        "--sizes", default="0,0.05,0.1,0.2,0.3,0.4", metavar="A,B", help="confidence: patch's sides per box"
    )
    options.add_argument("--patch", default="blur", metavar="KIND", help="confidence: blur or grey")
    options.add_argument("--keypoints", metavar="A,B", help="confidence: joints to cover (default: all)")
    options.add_argument("--score", type=float, default=0.3, metavar="S", help="components: least score counted (0.3)")
    options.add_argument(
        "--settings", metavar="A,B", help="components: ways to time, such as 512,512f,768S3f,o (size, scales, flip)"
    )
    options.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="crops per pass (64; components: 8 times fewer)"
    )
    options.add_argument("--workers", type=int, default=0, metavar="N", help="processes that read pictures (0)")
    options.add_argument("--device", metavar="NAME", help="cpu, cuda, ... (default: a GPU if there is one)")
    return options


def run(args: Namespace) -> int:
    """Analyse, write ``SUBJECT.json`` and ``SUBJECT.html``, print what came out."""
    if args.subject not in SUBJECTS:
        found = repr(args.subject) if args.subject else "none"
        raise InputError(f"expected a subject ({', '.join(SUBJECTS)}), found {found}; see poserior analyse --help")
    folders = [Path(name.strip()) for given in args.run for name in given.split(",") if name.strip()]
    if not folders:
        raise InputError("expected --run DIR, found none; name a trained run's folder")
    if (args.annotations is None) != (args.images is None):
        raise InputError("expected --annotations and --images together, found one of them; give both or none")
    for name in ("people", "batch_size"):
        if getattr(args, name) < 1:
            raise InputError(f"expected --{name.replace('_', '-')} from 1, found {getattr(args, name)}; change it")
    if args.subject == "components":
        from poserior.cli.analyse_components import run_components

        return run_components(args, dict(zip(names(folders), folders, strict=True)))
    cuts, sizes = _numbers(args.cuts, "cuts"), _numbers(args.sizes, "sizes")
    chosen = None if args.keypoints is None else [name.strip() for name in args.keypoints.split(",") if name.strip()]

    from poserior import analyses, inference, outputs, report

    predictors = {
        name: inference.load(folder, device=args.device, batch_size=args.batch_size)
        for name, folder in zip(names(folders), folders, strict=True)
    }
    data, source = _data(args, folders[0], predictors)
    shared: dict[str, Any] = {"batch_size": args.batch_size, "workers": args.workers}
    own: dict[str, dict[str, Any]] = {
        "occlusion": {"size": args.size},
        "truncation": {"cuts": cuts, "side": args.side, "keep": args.keep},
        "confidence": {"sizes": sizes, "patch": args.patch, "keypoints": chosen},
    }
    functions: dict[str, Callable[..., Any]] = {
        "occlusion": analyses.occlusion,
        "truncation": analyses.truncation,
        "density": analyses.density,
        "flow": analyses.joint_errors,
        "confidence": analyses.confidence,
    }
    analyse = functions[args.subject]
    results: dict[str, Any] = {
        name: analyse(
            each.model, each.spec, data, title=f"{args.subject} {name}", **shared, **own.get(args.subject, {})
        )
        for name, each in predictors.items()
    }

    output = Path(args.output) if args.output is not None else folders[0]
    content = {"subject": args.subject, "data": source, "people": len(data)}
    content["runs"] = {name: plain(result) for name, result in results.items()}
    outputs.write_json(output / f"{args.subject}.json", content)
    page = report.write_analysis(
        args.subject,
        results,
        output / f"{args.subject}.html",
        {"Runs": ", ".join(predictors), "Data": source, "People": str(len(data)), **_settings(args)},
    )
    print(f"{report.analysis_lead(args.subject, results)}\n{args.subject}.json and {page.name} are in {output}")
    return 0


def names(folders: Sequence[Path]) -> list[str]:
    """The folders' names; their paths where two are called the same.

    >>> names([Path("a/RLE"), Path("a/L1")]), names([Path("a/RLE"), Path("b/RLE")])
    (['RLE', 'L1'], ['a/RLE', 'b/RLE'])
    """
    short = [folder.resolve().name for folder in folders]
    names = short if len(set(short)) == len(short) else [folder.as_posix() for folder in folders]
    if len(set(names)) < len(names):
        raise InputError(f"expected different runs, found {', '.join(names)}; name each once")
    return names


def _numbers(text: str, name: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"expected --{name} as numbers such as 0,0.2,0.4, found {text!r}; correct it") from None


def _settings(args: Namespace) -> dict[str, str]:
    own = {
        "occlusion": {"Square": "size"},
        "truncation": {"Cuts": "cuts", "Side": "side", "Box": "keep"},
        "confidence": {"Patch": "patch", "Sizes": "sizes", "Joints covered": "keypoints"},
    }
    return {title: str(getattr(args, name) or "all") for title, name in own.get(args.subject, {}).items()}


def _data(args: Namespace, folder: Path, predictors: "Mapping[str, Predictor]") -> "tuple[Any, str]":
    """The people to look at, evenly taken, and where they are from."""
    from torch.utils.data import Subset

    from poserior import datasets

    first = next(iter(predictors.values()))
    skeleton = first.spec.skeleton
    for name, each in predictors.items():
        if each.spec.skeleton != skeleton:
            raise InputError(
                f"expected runs of one skeleton, found {each.spec.skeleton.name} in {name} beside {skeleton.name};"
                " analyse them one by one"
            )
    people: KeypointDataset
    if args.annotations is not None:
        people = datasets.CocoKeypoints(args.annotations, args.images, skeleton=skeleton)
        source = Path(args.annotations).name
    else:
        people, source = own_data(folder, skeleton, args.people)
    count = len(people)
    if count > args.people:
        return Subset(people, [i * count // args.people for i in range(args.people)]), source
    return people, source


def plain(value: Any) -> Any:
    """Records and tensors to what JSON holds; not a number becomes null, a skeleton its keypoints' names."""
    from dataclasses import fields, is_dataclass

    import torch

    from poserior.skeletons import Skeleton

    if isinstance(value, Skeleton):
        return list(value.keypoints)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name not in ARRAYS}
    if isinstance(value, torch.Tensor):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value
