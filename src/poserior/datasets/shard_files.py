"""Writing shards: tar files in WebDataset's layout, an index beside each."""

import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from tqdm import tqdm

from poserior.datasets._people import PeopleDataset
from poserior.errors import InputError
from poserior.outputs import write_json
from poserior.skeletons import to_yaml
from poserior.whole_files import replacing_file, write_bytes

MANIFEST, SKELETON, VERSION = "shards.json", "skeleton.yaml", 1
HEADER = tarfile.BLOCKSIZE
INDEX = np.dtype(
    [
        ("key", "<i8"),
        ("extension", "S8"),
        ("offset", "<i8"),
        ("size", "<i8"),
        ("labels_offset", "<i8"),
        ("labels_size", "<i8"),
    ]
)
"""A row of an ``.idx`` file (NumPy's ``.npy`` format): where a picture and its labels lie in the tar, in bytes."""


def write_shards(dataset: PeopleDataset, folder: str | Path, per_shard: int = 1000, progress: bool = False) -> Path:
    """Write a data set as shards for `Shards`.

    Every picture with a sample becomes two members, ``NNNNNN.jpg`` (or its own suffix; the file's bytes, unchanged)
    and ``NNNNNN.json`` (its people in the library's own convention: continuous pixels, two corners), as WebDataset
    has it. Pictures without a sample are left out: for COCO's AP over a whole set use its annotation file.

    Args:
        dataset: any data set that reads files (`CocoKeypoints`, `Lsp`, `Mpii`, `FaceKeypoints`, `Shards`).
        folder: where to; it must hold no shards yet.
        per_shard: pictures in each tar.
        progress: show a bar.

    Returns:
        The folder. ``shards.json`` is written last, so that a folder with one is complete.

    Raises:
        InputError: the folder holds shards already or cannot be written, or a picture cannot be read.
    """
    root = Path(folder)
    if per_shard < 1:
        raise InputError(f"expected at least 1 picture per shard, found {per_shard}; give 1000, say")
    if (root / MANIFEST).exists():
        raise InputError(f"expected a folder without shards at {root}, found a {MANIFEST}; choose another")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"expected a place to make the folder {root}, found {error.strerror}; choose another"
        ) from None
    people = dataset.annotated
    pictures = np.unique(dataset.samples.picture)
    order = np.argsort(people.picture, kind="stable")
    lows, highs = (np.searchsorted(people.picture[order], pictures, side) for side in ("left", "right"))
    members = [order[low:high].tolist() for low, high in zip(lows, highs, strict=True)]
    starts = range(0, len(pictures), per_shard)
    with tqdm(total=len(pictures), desc="shards", unit="picture", disable=not progress, dynamic_ncols=True) as bar:
        for shard, start in enumerate(starts):
            rows = []
            with replacing_file(root / f"{shard_name(shard)}.tar") as path, path.open("wb") as file:
                for key in range(start, min(start + per_shard, len(pictures))):
                    rows.append(_write_picture(file, dataset, int(pictures[key]), key, members[key]))
                    bar.update()
                file.write(bytes(2 * tarfile.BLOCKSIZE))  # the end of a tar
            with replacing_file(root / f"{shard_name(shard)}.idx") as path, path.open("wb") as file:
                np.save(file, np.array(rows, INDEX), allow_pickle=False)
    write_bytes(root / SKELETON, to_yaml(dataset.skeleton, exact=True).encode())
    content = {
        "format_version": VERSION,
        "num_shards": len(starts),
        "num_pictures": len(pictures),
        "num_people": sum(map(len, members)),
        "category": {"id": dataset.category[0], "name": dataset.category[1]},
    }
    write_json(root / MANIFEST, content)
    return root


def shard_name(shard: int) -> str:
    """A shard's file name without suffix.

    >>> shard_name(7)
    'shards-000007'
    """
    return f"shards-{shard:06d}"


def is_member(header: bytes, name: str, size: int) -> bool:
    """Whether the bytes before a member's own are those of a member of this name and size.

    >>> member = tarfile.TarInfo("000007.jpg")
    >>> member.size = 123
    >>> header = member.tobuf(tarfile.USTAR_FORMAT)
    >>> is_member(header, "000007.jpg", 123), is_member(header, "000007.jpg", 124), is_member(header, "7.jpg", 123)
    (True, False, False)
    """
    return header[:100] == name.encode().ljust(100, b"\0") and header[124:136] == b"%011o\0" % size


def _write_picture(file: Any, dataset: PeopleDataset, picture: int, key: int, people: list[int]) -> tuple[Any, ...]:
    stored = dataset.stored(picture)
    suffix = PurePosixPath(stored).suffix.lower()
    extension = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 8 else ".bin"
    if extension == ".json":
        raise InputError(f"expected a picture at {stored}, found a .json; correct the annotations")
    labels = json.dumps(_labels(dataset, picture, people), allow_nan=False).encode()
    place, size = _append(file, f"{key:06d}{extension}", dataset.images.read(stored))
    labels_place, labels_size = _append(file, f"{key:06d}.json", labels)
    return key, extension.encode(), place, size, labels_place, labels_size


def _append(file: Any, name: str, content: bytes) -> tuple[int, int]:
    member = tarfile.TarInfo(name)  # without owner and time: equal sets give equal files
    member.size = len(content)
    file.write(member.tobuf(tarfile.USTAR_FORMAT))
    place = file.tell()
    file.write(content)
    file.write(bytes(-len(content) % tarfile.BLOCKSIZE))
    return place, len(content)


def _labels(dataset: PeopleDataset, picture: int, people: list[int]) -> dict[str, Any]:
    """Everything of a picture that is not pixels; Python writes and reads these numbers without losing a bit."""
    known, pictures = dataset.annotated, dataset.pictures
    return {
        "image_id": pictures.ids[picture].item(),
        "file_name": str(pictures.names[picture]),
        "image_size": pictures.sizes[picture].tolist(),
        "people": [
            {
                "number": n,
                "id": int(known.annotation_id[n]),
                "keypoints": known.keypoints[n].tolist(),
                "visibility": known.visibility[n].tolist(),
                "box_xyxy": known.box_xyxy[n].tolist(),
                "area": float(known.area[n]),
                "crowd": bool(known.crowd[n]),
                "score": float(known.score[n]),
                "head_size": None if np.isnan(known.head_size[n]) else float(known.head_size[n]),
            }
            for n in people
        ],
    }
