"""A job's folder: what is asked for, which parts are done, and whether the whole is."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from poserior import outputs
from poserior.errors import InputError
from poserior.jobs.job import FREE, Job, Part
from poserior.json_files import read_json
from poserior.skeletons import Skeleton
from poserior.whole_files import replacing

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Summary:
    """What became of a part's, or of all, pictures.

    Attributes:
        pictures: those that were looked at.
        left_out: those without boxes.
        unreadable: those that could not be read.
        people: entries that were written.
    """

    pictures: int = 0
    left_out: int = 0
    unreadable: int = 0
    people: int = 0

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(**{key: value + getattr(other, key) for key, value in asdict(self).items()})


class JobFolder:
    """The files of a job: ``job.json``, ``parts/00012.jsonl`` while it lasts, ``results.json`` at the end.

    A part's file is written under another name first, so that it is there whole or not at all. Its last line sums it
    up.

    Args:
        path: the folder, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts, self.results, self.job = path / "parts", path / "results.json", path / "job.json"

    def check(self, description: dict[str, Any]) -> bool:
        """Whether this very job was begun here before.

        Raises:
            InputError: the folder holds another job or other results, or is none.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"expected a folder at {self.path}, found a file; choose another --output")
        if not self.job.exists():
            if self.results.exists():
                raise InputError(
                    f"expected a new folder or a job that was begun, found results without job.json in {self.path};"
                    " choose another --output or pass --overwrite"
                )
            return False
        before = read_json(self.job)
        difference = _difference(before if isinstance(before, dict) else {}, description)
        if difference:
            raise InputError(
                f"expected in {self.path} the job that was begun there, found another ({difference});"
                " choose another --output or pass --overwrite"
            )
        return True

    def begin(self, description: dict[str, Any], skeleton: Skeleton | None) -> None:
        """Write down what is asked for, and what the answers' keypoints are; None for boxes."""
        outputs.write_json(self.job, {**description, "skeleton": None if skeleton is None else asdict(skeleton)})
        self.check(description)  # another job may have begun at the same moment

    def skeleton(self) -> Skeleton | None:
        """What the results' keypoints are; None if the results are boxes.

        Raises:
            InputError: ``job.json`` does not say.
        """
        content = read_json(self.job)
        try:
            if content["skeleton"] is None:
                return None
            return Skeleton(**{key: _tuples(value) for key, value in content["skeleton"].items()})
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"expected a skeleton in {self.job}, found {error}; begin the job anew") from None

    def tidy(self) -> None:
        """Remove what a job that was stopped at the very end has left."""
        shutil.rmtree(self.parts, ignore_errors=True)

    def clear(self) -> None:
        """Remove a job's files, other than overlays."""
        self.results.unlink(missing_ok=True)
        shutil.rmtree(self.parts, ignore_errors=True)
        self.job.unlink(missing_ok=True)

    def part(self, part: Part) -> Path:
        """Where a part is written."""
        return self.parts / f"{part.index:05d}.jsonl"

    def missing(self, parts: Iterable[Part]) -> list[Part]:
        """The parts that are not there yet."""
        return [part for part in parts if not self.part(part).exists()]

    def entries(self, part: Part) -> Iterator[dict[str, Any]]:
        """The results in a finished part."""
        with self.part(part).open(encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                if "part" not in entry:
                    yield entry

    def write(self, part: Part, entries: Iterable[dict[str, Any]], summary: Callable[[], Summary]) -> None:
        """Write a part's results and, when they have all come, its summary."""
        with replacing(self.part(part)) as file:
            for entry in entries:
                file.write(json.dumps(entry, allow_nan=False) + "\n")
            file.write(json.dumps({"part": part.index, **asdict(summary())}) + "\n")

    def joined_entries(self) -> Iterator[dict[str, Any]]:
        """The results of a finished job, one line of ``results.json`` at a time."""
        with self.results.open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):
                    yield json.loads(line.rstrip(",\n"))

    def summary(self, part: Part) -> Summary:
        """The last line of a finished part."""
        with self.part(part).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 1000))
            last = json.loads(file.read().splitlines()[-1])
        return Summary(**{key: value for key, value in last.items() if key != "part"})


def describe_job(job: Job, pictures: int, fingerprint: str) -> dict[str, Any]:
    """What ``job.json`` holds: the job, and fingerprints of the files that its answers depend on."""
    read = [Path(run) / name for run in job.run for name in ("model.yaml", "model.safetensors")]
    if job.is_exported:
        read = [Path(run) for run in job.run]
    read += [Path(path) for path in (job.boxes, job.detector_weights) if path is not None]
    return {
        "format_version": FORMAT_VERSION,
        "job": job.to_dict(),
        "pictures": pictures,
        "pictures_sha256": fingerprint,
        "files_sha256": {str(path): _sha256(path) for path in read},
    }


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        what = "a finished run's file" if path.name in ("model.yaml", "model.safetensors") else "a file"
        raise InputError(f"expected {what} at {path}, found: {error.strerror}; correct the path") from None


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing that the answers depend on and that changed, in words; empty if there is none."""
    if before.get("format_version") != now["format_version"] or not isinstance(before.get("job"), dict):
        return f"job.json of format {before.get('format_version')}, this version writes {now['format_version']}"
    old, new = {**Job.defaults(), **before["job"]}, now["job"]  # an option is younger than some jobs
    for key in new:
        if key not in FREE and old.get(key) != new[key]:
            return f"{key.replace('_', ' ')} was {_words(old.get(key))} and is {_words(new[key])}"
    if before.get("pictures") != now["pictures"]:
        return f"there were {before.get('pictures')} pictures and are {now['pictures']}"
    if before.get("pictures_sha256") != now["pictures_sha256"]:
        return "the pictures' names changed"
    for path, digest in now["files_sha256"].items():
        if before.get("files_sha256", {}).get(path) != digest:
            return f"{path} changed"
    return ""


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _words(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
