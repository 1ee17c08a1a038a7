"""``poserior convert``: labels of one annotation tool to the format of another."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.formats import Annotations

SUMMARY = "turn labels of COCO, CSV, YOLO-pose, DeepLabCut or Label Studio into another of these formats"


def parser() -> ArgumentParser:
    """The verb's options."""
    verb = ArgumentParser(prog="poserior convert", description=SUMMARY)
    verb.add_argument("input", type=str, metavar="INPUT", help="the labels: a file, or a YOLO or DeepLabCut folder")
    verb.add_argument(
        "--to", type=str, required=True, metavar="FORMAT", help="coco (what train reads), csv, yolo, dlc, label-studio"
    )
    verb.add_argument("--output", type=str, required=True, metavar="PATH", help="the new file (a folder for yolo)")
    verb.add_argument(
        "--from", dest="from_", type=str, default="auto", metavar="FORMAT", help="what INPUT is (default: by content)"
    )
    verb.add_argument(
        "--images", type=str | None, default=None, metavar="DIR", help="the pictures: checks them, reads their sizes"
    )
    verb.add_argument(
        "--skeleton", type=str | None, default=None, metavar="NAME", help="what the keypoints are: a name or YAML file"
    )
    verb.add_argument(
        "--category", type=str | None, default=None, metavar="NAME", help="what to take of several, or its name"
    )
    verb.add_argument(
        "--split", type=str | None, default=None, metavar="A/B[/C]", help="train, val (and test) shares, e.g. 0.8/0.2"
    )
    verb.add_argument("--seed", type=int, default=0, help="of the split")
    verb.add_argument(
        "--group",
        type=str | None,
        default=None,
        metavar="REGEX",
        help="with --split: pictures where this finds the same text in the name stay together, e.g. '^[^_]+'",
    )
    return verb


def run(args: Namespace) -> int:
    """Read, split, write, and say what was lost on the way."""
    from poserior import formats, skeletons
    from poserior.formats.files import format_of

    suffix = format_of(args.to).SUFFIX
    source, output = Path(args.input), Path(args.output)
    if suffix and output.suffix != suffix:
        raise InputError(f"expected --output to end in {suffix} for {args.to}, found {args.output}; name a file")
    if args.split is None and args.group is not None:
        raise InputError("expected --group with --split, found it without; leave it out")
    shares = None if args.split is None else _shares(args.split)
    skeleton = None if args.skeleton is None else skeletons.load(args.skeleton)
    kind = formats.detect(source) if args.from_ == "auto" else args.from_
    labels = formats.read(source, kind, args.images, skeleton, args.category)
    print(f"{source} ({kind}): {_counts(labels)}, {len(labels.keypoints)} keypoints")
    boxless = sum(person.box_xyxy is None and bool(person.labelled) for person in labels.people)
    if boxless and args.to not in ("csv", "dlc"):
        print(f"boxes of {boxless} people are made up: around their keypoints and 15 % wider on each side")
    if shares is not None:
        labels = formats.split(labels, shares, args.seed, args.group)
    lost = [*labels.notes, *formats.lost(labels, args.to)]
    for part, path in _outputs(labels, output, suffix, source):
        formats.write(part, path, args.to)
        print(f"{path}: {_counts(part)}")
    if skeleton is None:
        _write_skeleton(labels, output.with_suffix(".yaml") if suffix else output / "skeleton.yaml")
    if args.to == "yolo":
        print(f"the pictures belong into {output / 'images'}: move, copy or link them")
    if lost:
        print(f"lost or left out: {'; '.join(lost)}")
    return 0


def _shares(given: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in given.split("/"))
    except ValueError:
        raise InputError(f"expected --split as shares such as 0.8/0.2, found {given!r}; correct it") from None


def _outputs(labels: "Annotations", output: Path, suffix: str, source: Path) -> "list[tuple[Annotations, Path]]":
    """Each part and its file: ``name-train.json``, ``name-val.json``; one file where there are no parts."""
    parts = labels.parts()
    if not suffix or len(parts) == 1:
        files = [(labels, output)]
    else:
        files = [(part, output.with_stem(f"{output.stem}-{name or 'rest'}")) for name, part in parts.items()]
    for _, path in files:
        if path.exists() and source.exists() and path.samefile(source):
            raise InputError(f"expected another file than the input as --output, found {path} twice; choose another")
    return files


def _write_skeleton(labels: "Annotations", path: Path) -> None:
    from poserior import formats, skeletons
    from poserior.whole_files import replacing

    skeleton = formats.skeleton_of(labels, path.stem if path.stem != "skeleton" else labels.categories[0])
    if skeleton.name in skeletons.names():
        print(f"the keypoints are those of {skeleton.name}: give --skeleton {skeleton.name}")
        return
    with replacing(path) as file:
        file.write(skeletons.to_yaml(skeleton))
    guessed = "" if labels.named else "; their names are stand-ins: correct them in all files, or give --skeleton"
    print(
        f"{path}: the skeleton, with {len(skeleton.edges)} edges and {len(skeleton.flip_pairs)} mirror pairs; its OKS"
        f" constants are guesses by name: see poserior doctor sigmas{guessed}"
    )


def _counts(labels: "Annotations") -> str:
    return f"{len(labels.images)} pictures, {len(labels.people)} people"
