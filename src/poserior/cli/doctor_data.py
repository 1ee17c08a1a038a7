"""``poserior doctor data``: what is wrong with annotations and pictures, in order of severity."""

import textwrap
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.checks import Finding, Labels, Seen
    from poserior.skeletons import Skeleton

SHOWN = 3
"""Examples printed of each finding; the JSON file holds more."""

FOUND = 1
"""The exit code where something is wrong."""


def data(args: Namespace) -> int:
    """Run all checks, print the findings, write them."""
    from poserior import checks, skeletons
    from poserior.json_files import read_json

    if args.val_images is not None and (args.val is None or args.images is None):
        raise InputError("expected --val-images with --val and --images, found it without; give all three")
    skeleton = None if args.skeleton is None else skeletons.load(args.skeleton)
    labels, findings = checks.examine(read_json(args.annotations), skeleton)
    sets = {"": findings}
    seen = _pictures(labels, args.images, findings)
    if args.val is not None:
        other, of_val = checks.examine(read_json(args.val), skeleton)
        seen_val = _pictures(other, args.val_images or args.images, of_val, unused=args.val_images is not None)
        sets = {"training": findings, "validation": of_val}
        sets["both"] = _between(labels, other, seen, seen_val)
    for name in sets:
        sets[name] = checks.by_severity(sets[name])
    print(_summary(labels, args, skeleton, seen))
    for name, found in sets.items():
        if name:
            print(f"\n== {name}: {len(found) or 'no'} finding{'' if len(found) == 1 else 's'}")
        print("".join(f"\n{_told(one)}" for one in found), end="\n" if found else "")
    everything = [one for found in sets.values() for one in found]
    worse = [one for one in everything if one.severity != "hint"]
    print(f"\n{_verdict(everything)}")
    if args.output is not None:
        _write(Path(args.output), args, sets)
        print(f"all findings with up to 20 examples each are in {args.output}")
    return FOUND if worse else 0


def _pictures(
    labels: "Labels", images: str | None, findings: "list[Finding]", unused: bool = True
) -> "dict[str, Seen]":
    """Look at the pictures, and add what is wrong with them to the findings."""
    if images is None:
        return {}
    from functools import partial

    from poserior import checks
    from poserior.pictures import SUFFIXES, decode, open_images

    store = open_images(images)
    seen = checks.look(labels, store, decode, watch=_bar)
    of_files = checks.picture_files(labels, seen, store, SUFFIXES)
    findings += [one for one in of_files if unused or "no entry" not in one.what]
    findings += checks.picture_sizes(labels, seen, store, partial(decode, upright=True))
    findings += checks.duplicate_pictures(seen)
    return seen


def _between(train: "Labels", val: "Labels", seen: "dict[str, Seen]", seen_val: "dict[str, Seen]") -> "list[Finding]":
    from poserior import checks

    return [*checks.split_leaks(seen, seen_val), *checks.shared_names(train.file, val.file)]


def _bar(seen: "Iterable[Seen]", total: int) -> "Iterable[Seen]":
    from tqdm import tqdm

    bar: Iterable[Seen] = tqdm(seen, desc="look at pictures", total=total, unit="picture")
    return bar


def _summary(labels: "Labels", args: Namespace, skeleton: "Skeleton | None", seen: "dict[str, Seen]") -> str:
    people = int((~labels.crowd).sum())
    kind = f"skeleton {skeleton.name}" if skeleton is not None else "the file's own names"
    looked = f"{len(seen):,} files looked at" if args.images is not None else "not looked at: give --images"
    return (
        f"{args.annotations}: {people:,} people, {len(labels.file):,} pictures ({looked}),"
        f" {len(labels.names)} keypoints ({kind})"
    )


def _told(found: "Finding") -> str:
    lines = [f"{found.severity.upper():8s}{found.check}: {found.what}"]
    shown = "; ".join(found.examples[:SHOWN])
    if shown:
        more = found.count - min(SHOWN, len(found.examples))
        lines.append(f"e.g. {shown}{'; ...' if more > 0 and len(found.examples) >= SHOWN else ''}")
    lines.append(f"-> {found.advice}")
    wrapped = [textwrap.fill(line, 110, initial_indent=" " * 8, subsequent_indent=" " * 8) for line in lines]
    return "\n".join(wrapped)[8:]


def _verdict(findings: "Sequence[Finding]") -> str:
    counts = {name: sum(one.severity == name for one in findings) for name in ("error", "warning", "hint")}
    if not findings:
        return "nothing found"
    parts = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items()]
    return ", ".join(parts)


def _write(output: Path, args: Namespace, sets: "dict[str, list[Finding]]") -> None:
    from poserior.outputs import write_json

    content: dict[str, Any] = {"annotations": args.annotations, "val": args.val, "images": args.images}
    content["findings"] = [one.to_dict() | {"set": name or "training"} for name, found in sets.items() for one in found]
    write_json(output, content)
