"""``poserior predict``: keypoints with error bars of the people in pictures."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ActionYesNo, ArgumentParser, Namespace

from poserior.cli.results import runs_of
from poserior.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from poserior.inference import Predictor
    from poserior.pictures import BoxFile, Picture, PictureBoxes
    from poserior.structures import Prediction

SUMMARY = "predict keypoints, covariances and confidences of the people in pictures"

CHUNK_PEOPLE, CHUNK_PICTURES, CHUNK_BYTES = 256, 64, 256 * 2**20


def parser() -> ArgumentParser:
    """The verb's options."""
    verb = ArgumentParser(prog="poserior predict", description=SUMMARY)
    verb.add_argument("inputs", type=str, nargs="+", metavar="INPUT", help="pictures, folders, patterns, .tar archives")
    verb.add_argument("--run", type=str, required=True, help="a trained run's folder; A,B is their ensemble")
    verb.add_argument(
        "--boxes",
        type=str | None,
        default=None,
        help="people's boxes: COCO annotations or a JSON list of detections (default: a picture is one person)",
    )
    verb.add_argument("--output", type=str, default="predictions", help="folder for results.json and overlays/")
    verb.add_argument(
        "--flip-test", action=ActionYesNo(yes_prefix="", no_prefix="no-"), default=True, help="fuse the mirrored crop"
    )
    verb.add_argument(
        "--overlays", action=ActionYesNo(yes_prefix="", no_prefix="no-"), default=True, help="draw overlays/<name>.jpg"
    )
    verb.add_argument(
        "--regions",
        type=float | None,
        default=None,
        help="coverage of the regions of a run calibrated by --method conformal (default: 0.9 where there are any)",
    )
    verb.add_argument("--batch-size", type=int, default=64, help="crops per pass")
    verb.add_argument("--score-threshold", type=float, default=0.0, help="leave out people with a lower score")
    verb.add_argument(
        "--oks-nms",
        type=float | None,
        default=None,
        help="of people in a picture whose keypoints' OKS is above, keep the best-scored (0.9 is usual; default: off)",
    )
    verb.add_argument(
        "--skip-unreadable",
        action=ActionYesNo(yes_prefix="", no_prefix="no-"),
        default=False,
        help="report pictures that cannot be read and go on",
    )
    verb.add_argument("--device", type=str | None, default=None, help="cpu, cuda, ... (default: a GPU if there is one)")
    return verb


def run(args: Namespace) -> int:
    """Predict, write ``results.json`` and the overlays, print where they are."""
    from tqdm import tqdm

    from poserior import inference, outputs
    from poserior.pictures import BoxFile, find_pictures

    pictures = find_pictures(args.inputs)
    boxes = None if args.boxes is None else BoxFile(args.boxes)
    predictor = inference.load(
        runs_of(args.run),
        flip_test=args.flip_test,
        batch_size=args.batch_size,
        device=args.device,
        regions=args.regions,
    )
    output = Path(args.output)
    with tqdm(total=len(pictures), desc="predict", unit="picture", file=sys.stderr) as bar:
        entries = _entries(args, pictures, boxes, predictor, output, bar)
        people = outputs.write_json_list(output / "results.json", entries)
    files = "results.json and overlays" if args.overlays else "results.json"
    print(f"{people} people in {len(pictures)} pictures; {files} are in {output}")
    return 0


def _entries(
    args: Namespace,
    pictures: "list[Picture]",
    boxes: "BoxFile | None",
    predictor: "Predictor",
    output: Path,
    bar: Any,
) -> Iterator[dict[str, Any]]:
    """The results, chunk by chunk; the chunk's overlays are written on the way."""
    from poserior.inference import without_duplicates

    for chunk in _chunks(args, pictures, boxes, bar):
        images = [image for _, image, _ in chunk]
        people = predictor(
            images,
            boxes=[None if found is None else found.box_xyxy for _, _, found in chunk],
            scores=[None if found is None else found.score for _, _, found in chunk],
            image_ids=[picture.name if found is None else found.image_id for picture, _, found in chunk],
        )
        for (picture, image, _), everybody in zip(chunk, people, strict=True):
            shown = [person for person in everybody if person.score >= args.score_threshold]
            if args.oks_nms is not None:
                shown = without_duplicates(shown, predictor.spec.area_per_box, args.oks_nms)
            if args.overlays:
                _write_overlay(output / "overlays" / picture.name, image, shown)
            yield from (person.to_coco() for person in shown)
            bar.update()


def _chunks(
    args: Namespace, pictures: "list[Picture]", boxes: "BoxFile | None", bar: Any
) -> "Iterator[list[tuple[Picture, np.ndarray, PictureBoxes | None]]]":
    """Pictures with their boxes, read in groups that fill the model's batches and leave the memory in peace."""
    chunk: list[tuple[Picture, np.ndarray, PictureBoxes | None]] = []
    people = size = known = unreadable = 0
    for picture in pictures:
        found = None if boxes is None else boxes.of(picture.name, args.score_threshold)
        known += found is not None
        if boxes is not None and found is None:
            bar.write(f"{picture.name}: no boxes in {args.boxes}, left out", file=sys.stderr)
            bar.update()
            continue
        try:
            image = picture.read(upright=boxes is None)
        except InputError as error:
            if not args.skip_unreadable:
                raise InputError(f"{error}, or pass --skip-unreadable") from None
            bar.write(f"left out: {error}", file=sys.stderr)
            unreadable += 1
            bar.update()
            continue
        chunk.append((picture, image, found))
        people += 1 if found is None else len(found.score)
        size += image.nbytes
        if people >= CHUNK_PEOPLE or len(chunk) >= CHUNK_PICTURES or size >= CHUNK_BYTES:
            yield chunk
            chunk, people, size = [], 0, 0
    if boxes is not None and not known:
        raise InputError(
            f"expected boxes for at least one of the {len(pictures)} pictures in {args.boxes}, found none; their images"
            " list, or their image_id, must name the pictures' files"
        )
    if unreadable == len(pictures):
        raise InputError(f"expected at least one picture that can be read, found none of {unreadable}; replace them")
    if chunk:
        yield chunk


def _write_overlay(path: Path, image: "np.ndarray", people: "list[Prediction]") -> None:
    import cv2

    from poserior.inference import draw_people

    done, data = cv2.imencode(".jpg", draw_people(image, people)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise InputError(f"expected a picture that can be drawn, found one of shape {image.shape}; leave overlays out")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data.tobytes())
    temporary.replace(path.with_name(f"{path.name}.jpg") if path.suffix != ".jpg" else path)
