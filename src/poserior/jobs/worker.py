"""One process's share of a job: parts in, files out."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from poserior.areas import BOX_TO_AREA
from poserior.errors import InputError
from poserior.jobs.duplicates import without_duplicates
from poserior.jobs.folder import JobFolder, Summary
from poserior.jobs.frames import Frame
from poserior.jobs.job import Job, Part
from poserior.jobs.models import drawing, in_groups, load_detector, load_predictor
from poserior.jobs.readahead import read_ahead
from poserior.jobs.sources import Readable, Sources
from poserior.outputs import coco_entry, detection_entry
from poserior.pictures import BoxFile, PictureBoxes
from poserior.whole_files import write_bytes

PEOPLE, PICTURES, BYTES = 256, 64, 256 * 2**20
"""At most so many go to the model at once, so that its batches are full and the memory stays bounded."""


class Found(NamedTuple):
    """A picture to read, and the boxes that a file gives it."""

    part: Part
    picture: Readable
    boxes: PictureBoxes | None
    wanted: bool

    @property
    def image_id(self) -> int | str:
        """What results call the picture: as its file of boxes does, else by its name."""
        named = self.boxes is None or isinstance(self.picture, Frame)
        return self.picture.name if named or self.boxes is None else self.boxes.image_id


Read = tuple[Found, np.ndarray]


class Worker:
    """What a process needs to do parts of a job: its pictures, its model, its boxes.

    Answers depend on the part alone, not on who does it or what was done before.

    Args:
        job: what to do.
        sources: its pictures, if they were looked for already.
        say: takes messages about single pictures; they go to stderr by default.
        advance: is called once for every picture that is finished.

    Raises:
        InputError: an input, the model or the boxes cannot be used.
    """

    def __init__(
        self,
        job: Job,
        sources: Sources | None = None,
        say: Callable[[str], None] | None = None,
        advance: Callable[[], None] | None = None,
    ) -> None:
        self.job, self.folder = job, JobFolder(job.folder)
        self.sources = sources or Sources(job)
        self.say, self.advance = say or _to_stderr, advance or _nothing
        self.boxes = None if job.boxes is None else BoxFile(job.boxes)
        if self.boxes is not None and all(self.boxes.of(name) is None for name in self.sources.names()):
            raise InputError(
                f"expected boxes for at least one of the {len(self.sources)} pictures in {job.boxes}, found none; their"
                " images list, or their image_id, must name the pictures' files"
            )
        self.predictor, self.detector = load_predictor(job), load_detector(job)
        skeleton = self.predictor.spec.skeleton
        if skeleton is None and job.oks_nms is not None:
            raise InputError("expected people's keypoints for --oks-nms, found a run of boxes; use --nms")
        self._draw = drawing(job, skeleton)
        self._entry: Callable[[Any], dict[str, Any]] = detection_entry if skeleton is None else coco_entry

    def run(self, parts: Iterable[Part]) -> Iterator[tuple[Part, Summary]]:
        """Do parts one after the other, those that are there already left out; pictures are read ahead meanwhile.

        Raises:
            InputError: a picture cannot be read (unless the job skips those), or a file cannot be written.
        """
        threads = self.job.readers or min(os.cpu_count() or 1, 16)
        wanted = (found for part in parts if not self.folder.part(part).exists() for found in self._look_up(part))
        with closing(
            read_ahead(wanted, self._read, _size, threads, max(PICTURES, self.job.batch_size), BYTES)
        ) as reading:
            for part, group in groupby(reading, key=lambda item: item[0].part):
                with ThreadPoolExecutor(threads, thread_name_prefix="draw") as drawers:
                    tally = _Tally()
                    self.folder.write(part, self._entries(group, tally, drawers), tally.summary)
                yield part, tally.summary()

    def _look_up(self, part: Part) -> Iterator[Found]:
        for picture in self.sources.read(part):
            boxes = None if self.boxes is None else self.boxes.of(picture.name, self.job.score_threshold)
            yield Found(part, picture, boxes, wanted=self.boxes is None or boxes is not None)

    def _read(self, found: Found) -> np.ndarray | InputError | None:
        if not found.wanted:
            return None
        try:
            # Boxes of a file speak of the pixels as stored.
            return found.picture.read(upright=self.boxes is None)
        except InputError as error:
            return error

    def _entries(
        self,
        items: Iterable[tuple[Found, np.ndarray | InputError | None]],
        tally: "_Tally",
        drawers: ThreadPoolExecutor,
    ) -> Iterator[dict[str, Any]]:
        """The results of a part, as they come."""
        drawings: list[Future[None]] = []
        for chunk in self._chunks(self._with_boxes(self._good(items, tally))):
            boxes = [found.boxes for found, _ in chunk]
            people = self.predictor(
                [image for _, image in chunk],
                boxes=[None if found is None else found.box_xyxy for found in boxes],
                scores=[None if found is None else found.score for found in boxes],
                image_ids=[found.image_id for found, _ in chunk],
            )
            _wait(drawings)
            for (found, image), everybody in zip(chunk, people, strict=True):
                shown = self._shown(everybody)
                if self.job.overlays and not isinstance(found.picture, Frame):
                    drawings.append(drawers.submit(self._overlay, found.picture.name, image, shown))
                tally.people += len(shown)
                yield from map(self._entry, shown)
                self.advance()
            del chunk, people, image  # the next pictures come before these names are used again
        _wait(drawings)

    def _good(self, items: Iterable[tuple[Found, np.ndarray | InputError | None]], tally: "_Tally") -> Iterator[Read]:
        """The pictures that could be read, the others told and counted."""
        for found, image in items:
            tally.pictures += image is not None or not found.wanted
            if isinstance(image, np.ndarray):
                yield found, image
                continue
            if image is None and found.wanted:
                continue  # the end of a video whose file promises more
            if image is None:
                self.say(f"{found.picture.name}: no boxes in {self.job.boxes}, left out")
                tally.left_out += 1
            elif self.job.skip_unreadable:
                self.say(f"left out: {image}")
                tally.unreadable += 1
            else:
                raise InputError(f"{image}, or pass --skip-unreadable") from None
            self.advance()

    def _with_boxes(self, read: Iterator[Read]) -> Iterator[Read]:
        """The pictures with the boxes that the detector finds in them, if there is one."""
        if self.detector is None:
            yield from read
            return
        for group in in_groups(read):
            boxes = self.detector([image for _, image in group])
            for (found, image), here in zip(group, boxes, strict=True):
                yield found._replace(boxes=replace(here, image_id=found.picture.name)), image
            del group, image

    def _chunks(self, read: Iterable[Read]) -> Iterator[list[Read]]:
        chunk: list[Read] = []
        people = size = 0
        for found, image in read:
            chunk.append((found, image))
            people += 1 if found.boxes is None else len(found.boxes.score)
            size += image.nbytes
            if (
                people >= max(PEOPLE, self.job.batch_size)
                or len(chunk) >= max(PICTURES, self.job.batch_size)
                or size >= BYTES
            ):
                yield chunk
                chunk, people, size = [], 0, 0
        if chunk:
            yield chunk

    def _shown(self, people: Sequence[Any]) -> list[Any]:
        shown = [person for person in people if person.score >= self.job.score_threshold]
        if self.job.oks_nms is None:
            return shown
        share = BOX_TO_AREA if self.job.is_dense else self.predictor.spec.area_per_box
        return without_duplicates(shown, share, self.job.oks_nms)

    def _overlay(self, name: str, image: np.ndarray, people: Sequence[Any]) -> None:
        write_picture(self.job.folder / "overlays" / name, self._draw(image, people))


def run_part(worker: Worker, part: Part) -> Summary:
    """Do one part, or see that it is done; to do many, `Worker.run` also reads ahead from one part to the next."""
    for _, summary in worker.run([part]):
        return summary
    return worker.folder.summary(part)


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write a JPEG, whole or not at all; a name that ends otherwise gets the ending appended.

    Raises:
        InputError: a JPEG cannot be that large.
    """
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise InputError(f"expected a picture that can be drawn, found one of shape {image.shape}; leave overlays out")
    write_bytes(path.with_name(f"{path.name}.jpg") if path.suffix != ".jpg" else path, data.tobytes())


class _Tally:
    """Counts on while a part is written, and is its summary in the end."""

    def __init__(self) -> None:
        self.pictures = self.left_out = self.unreadable = self.people = 0

    def summary(self) -> Summary:
        return Summary(self.pictures, self.left_out, self.unreadable, self.people)


def _wait(drawings: list[Future[None]]) -> None:
    for future in drawings:
        future.result()
    drawings.clear()


def _size(image: np.ndarray | InputError | None) -> int:
    return image.nbytes if isinstance(image, np.ndarray) else 1


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def _nothing() -> None:
    pass
