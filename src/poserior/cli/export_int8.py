"""``poserior export --int8``: the 8-bit file beside the float one, and what it costs on labelled people."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ActionYesNo, ArgumentParser

from poserior.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from poserior.portable import OnnxPredictor, PortablePrediction
    from poserior.structures import Evaluation, Sample

CROPS = 64
"""People whose crops set the ranges of the integers."""

PEOPLE = 1000
"""At most so many others are measured."""

COLUMNS = ("AP", "OKS", "EPE", "Gaussian NLL", "coverage@50", "coverage@90", "MB")


def add_options(verb: ArgumentParser) -> None:
    """What ``poserior export`` takes beside its own options."""
    verb.add_argument(
        "--int8",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=False,
        help="also write FILE-int8.onnx, its backbone in 8-bit integers, and a table of both on labelled people",
    )
    verb.add_argument(
        "--images",
        type=str | None,
        default=None,
        help="with --int8: pictures to set the integers' ranges on (default: the run's validation data)",
    )
    verb.add_argument(
        "--annotations",
        type=str | None,
        default=None,
        help="with --images: COCO keypoint annotations of the people in them; without, each picture is one person",
    )


def check_options(args: Namespace) -> None:
    """Refuse options that do not go together before anything is done.

    Raises:
        InputError: pictures without --int8, or annotations without pictures.
    """
    if not args.int8 and (args.images is not None or args.annotations is not None):
        raise InputError(
            "expected --images and --annotations with --int8, found them without; add it or leave them out"
        )
    if args.annotations is not None and args.images is None:
        raise InputError("expected --images with --annotations, found none; name the folder or archive of the pictures")


def write_int8(args: Namespace, folder: Path, path: Path) -> Path:
    """Quantise an exported file, print the table where there are labels, and say where the file is.

    Args:
        args: the options above.
        folder: the run's.
        path: the float file.

    Raises:
        InputError: there are no people to look at, or the file cannot be quantised.
    """
    import numpy as np

    from poserior.cli.results import table
    from poserior.export import quantise
    from poserior.portable import OnnxPredictor

    plain = OnnxPredictor(path)
    output = path.with_name(f"{path.stem}-int8.onnx")
    if args.images is not None and args.annotations is None:
        quantise(path, output, _pictures(args.images, plain))
        print(f"{output}: {_megabytes(output):.1f} MB; without --annotations there is nobody to measure it on")
        return output
    people, source = _labelled(args, folder, plain)
    if not len(people):
        raise InputError(f"expected labelled people in {source}, found none; give --images and --annotations")
    seen, others = split(len(people))
    quantise(path, output, np.stack([_cut(people[n], plain)[1].pixels for n in seen]))
    files = {"float": plain, "int8": OnnxPredictor(output)}
    evaluations = measure(files, people, others)
    rows = {name: _row(evaluation, files[name].path) for name, evaluation in evaluations.items()}
    print(table(COLUMNS, rows, corner=""))
    same = ", the ones the ranges were set on" if set(others) <= set(seen) else ""
    print(
        f"{len(others)} people of {source}{same}. A file holds no density: NLL (nats per keypoint, crop-normalised) and"
        " coverage are those\nof Gaussians with its covariances; they compare the two files, not a file with its run."
    )
    print(f"{output}: its backbone computes in 8-bit integers, ranges from {len(seen)} crops")
    return output


def split(count: int) -> tuple[list[int], list[int]]:
    """Whose crops set the ranges, and who is measured: others, if there are at least as many others.

    >>> seen, others = split(1200)
    >>> len(seen), len(others), set(seen).isdisjoint(others)
    (64, 1000, True)
    >>> split(3)
    ([0, 1, 2], [0, 1, 2])
    """
    seen = _spread(list(range(count)), CROPS)
    others = [n for n in range(count) if n not in set(seen)]
    return seen, _spread(others, PEOPLE) if len(others) >= len(seen) else seen


def measure(files: "dict[str, OnnxPredictor]", people: Any, chosen: Sequence[int]) -> "dict[str, Evaluation]":
    """The same people by several files; labels and log densities as in `poserior.inference.evaluate_model`.

    Args:
        files: predictors of one skeleton and crop size, by name.
        people: a data set with labels.
        chosen: whom to look at.
    """
    found: dict[str, list[PortablePrediction]] = {name: [] for name in files}
    truth: list[Sample] = []
    (first, *_) = files.values()
    for start in range(0, len(chosen), first.batch_size):
        pairs = [_cut(people[n], first) for n in chosen[start : start + first.batch_size]]
        for name, predictor in files.items():
            found[name] += predictor.predict_crops([cut for _, cut in pairs])
        truth += [replace(sample, image=sample.image[:0, :0]) for sample, _ in pairs]  # labels only: pixels are large
    return {name: _evaluation(name, predictions, truth, files[name]) for name, predictions in found.items()}


def _evaluation(
    name: str, predictions: "list[PortablePrediction]", truth: "list[Sample]", predictor: "OnnxPredictor"
) -> "Evaluation":
    import numpy as np
    import torch

    from poserior.crops import crop_affine, upright_to_image
    from poserior.distributions import FullGaussian
    from poserior.structures import Evaluation

    def stacked(key: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([getattr(person, key) for person in predictions]))

    spec = predictor.spec
    target = torch.stack([sample.keypoints for sample in truth]).double()
    visibility = torch.stack([sample.visibility for sample in truth])
    factor, failed = torch.linalg.cholesky_ex(stacked("covariance").double())
    if bool(failed.any()):
        raise InputError(
            f"expected covariances that can be inverted from {predictor.path}, found others; keep to float"
        )
    law = FullGaussian(stacked("keypoints").double(), factor)
    boxes = [sample.box_xyxy.numpy() for sample in truth]
    scales = [
        upright_to_image(crop_affine(box, spec.image_size, spec.box_padding), spec.image_size)[0] for box in boxes
    ]
    unit = torch.from_numpy(np.log(np.stack(scales)).sum(-1))[:, None]  # from pixels to crop-normalised units
    labelled = visibility > 0
    return Evaluation(
        name=name,
        skeleton=spec.skeleton,
        image_id=tuple(sample.image_id for sample in truth),
        annotation_id=tuple(sample.annotation_id for sample in truth),
        keypoints=stacked("keypoints"),
        confidence=stacked("confidence"),
        score=torch.tensor([person.score for person in predictions]),
        target=target.float(),
        target_visibility=visibility,
        area=torch.tensor([float(sample.area) for sample in truth]),
        box_xyxy=stacked("box_xyxy"),
        covariance=stacked("covariance"),
        visibility=stacked("visibility"),
        log_prob=torch.where(labelled, law.log_prob(target) + unit, 0.0).float(),
        credible_level=torch.where(labelled, law.credible_level(target), 0.0).float(),
    )


def _row(evaluation: "Evaluation", path: Path) -> list[str]:
    from poserior.metrics import summarise

    values = summarise(evaluation)
    keys = ("AP", "OKS", "EPE", "NLL", "coverage@50", "coverage@90")
    return [*("-" if values[key] is None else f"{values[key]:.4f}" for key in keys), f"{_megabytes(path):.1f}"]


def _labelled(args: Namespace, folder: Path, predictor: "OnnxPredictor") -> tuple[Any, str]:
    from poserior import datasets
    from poserior.cli.data import own_data

    skeleton = predictor.spec.skeleton
    if args.annotations is None:
        return own_data(folder, skeleton, CROPS + PEOPLE // 4)
    return datasets.CocoKeypoints(args.annotations, args.images, skeleton=skeleton), Path(args.annotations).name


def _pictures(images: str, predictor: "OnnxPredictor") -> "np.ndarray":
    """Crops of pictures that are one person each."""
    import numpy as np

    from poserior.pictures import PersonInPicture, find_pictures

    crops = []
    for n, picture in enumerate(_spread(list(find_pictures([images])), CROPS)):
        pixels = picture.read()
        box = np.array([0, 0, pixels.shape[1], pixels.shape[0]], np.float32)
        crops.append(predictor.cut_out(PersonInPicture(n, pixels, box, 1.0, picture.name)).pixels)
    return np.stack(crops)


def _cut(sample: "Sample", predictor: "OnnxPredictor") -> tuple["Sample", Any]:
    from poserior.pictures import PersonInPicture

    person = PersonInPicture(0, sample.image.numpy(), sample.box_xyxy.float().numpy(), sample.score, sample.image_id)
    return sample, predictor.cut_out(person)


def _spread(values: list[Any], count: int) -> list[Any]:
    """At most `count` of the values, evenly."""
    return values if len(values) <= count else [values[n * len(values) // count] for n in range(count)]


def _megabytes(path: Path) -> float:
    return path.stat().st_size / 2**20
