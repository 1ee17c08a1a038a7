"""Shards: pictures and their people in a few tar files, each with an index, read by memory map."""

import mmap
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.datasets._people import People, PeopleDataset, Pictures, labelled
from poserior.datasets.shard_files import HEADER, INDEX, MANIFEST, SKELETON, VERSION, is_member, shard_name
from poserior.errors import InputError
from poserior.json_files import describe, parse_json, read_json
from poserior.pictures import Images
from poserior.skeletons import load

_OPEN = 64  # maps held at a time: each keeps a file open


class Shards(PeopleDataset):
    """What `write_shards` wrote: the same samples as those of the data set they were made of, bit for bit.

    Big sets of small files are slow to copy, to list and to read from network disks; a few large files are not. Any
    picture is found at once by the index, so batches may be shuffled over everything.

    Args:
        folder: with ``shards.json``, ``skeleton.yaml``, ``shards-000000.tar``, ``shards-000000.idx`` and so on.
        skip_corrupt: as in `CocoKeypoints`.

    Raises:
        InputError: a file is missing, or an index is not that of the tar beside it.
    """

    def __init__(self, folder: str | Path, skip_corrupt: bool = False) -> None:
        root = Path(folder)
        manifest = _manifest(root / MANIFEST)
        skeleton = load(root / SKELETON)
        images = _Members(root, manifest["num_shards"])
        people, pictures = _read_people(images, skeleton.num_keypoints)
        if len(people) != manifest["num_people"]:
            raise InputError(
                f"expected {manifest['num_people']} people in {root}, as its {MANIFEST} says, found {len(people)};"
                " write the shards anew"
            )
        category = (manifest["category"]["id"], manifest["category"]["name"])
        super().__init__(people, people.take(labelled(people)), pictures, images, skeleton, skip_corrupt, category)


class _Members(Images):
    """The members of all shards. Processes may share it: a map has no file position, and is opened anew where needed.

    A stored path is one within the folder of shards: ``shards-000002.tar/002041.jpg``; pictures are asked for by the
    names they had before, which are in `files`.
    """

    def __init__(self, root: Path, num_shards: int) -> None:
        super().__init__(root)
        self._maps: OrderedDict[int, mmap.mmap] = OrderedDict()
        rows = [_read_index(root, shard) for shard in range(num_shards)]
        self.shard = np.repeat(np.arange(num_shards), [len(part) for part in rows])
        self.rows: NDArray[Any] = np.concatenate(rows) if rows else np.zeros(0, INDEX)
        names = [f"{key:06d}{extension.decode()}" for key, extension in self.rows[["key", "extension"]].tolist()]
        self.stored_paths = [
            f"{shard_name(shard)}.tar/{name}" for shard, name in zip(self.shard.tolist(), names, strict=True)
        ]
        self._place = {name: place for place, name in enumerate(self.stored_paths)}
        self.files: dict[str, str] = {}
        if len(self._place) != len(self.stored_paths):
            raise InputError(f"expected every sample once in {root}, found duplicates; write the shards anew")

    def find(self, name: str) -> str | None:
        return self.files.get(name)

    def names(self) -> list[str]:
        return list(self.stored_paths)

    def read(self, stored: str) -> bytes:
        place = self._place[stored]
        _, _, offset, size, _, _ = self.rows[place].item()
        return self._member(place, stored.rpartition("/")[2], offset, size)

    def labels(self, place: int) -> Any:
        """The content of a picture's JSON member."""
        key, _, _, _, offset, size = self.rows[place].item()
        name = f"{key:06d}.json"
        source = f"{self.stored_paths[place].rpartition('/')[0]}/{name}"
        return parse_json(self._member(place, name, offset, size), f"{self.root}/{source}")

    def _member(self, place: int, name: str, start: int, length: int) -> bytes:
        """A member's bytes, if the tar's own header says the same of them as the index."""
        content = self._map(int(self.shard[place]))
        if not is_member(content[start - HEADER : start], name, length):
            raise InputError(
                f"expected {name} of {length} bytes at byte {start} of"
                f" {self.root / shard_name(int(self.shard[place]))}.tar, as its index says, found something else;"
                " write the shards anew"
            )
        return content[start : start + length]

    def _map(self, shard: int) -> mmap.mmap:
        found = self._maps.get(shard)
        if found is not None:
            self._maps.move_to_end(shard)
            return found
        with (self.root / f"{shard_name(shard)}.tar").open("rb") as file:
            found = self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        while len(self._maps) > _OPEN:
            self._maps.popitem(last=False)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": OrderedDict()}


def _manifest(path: Path) -> Any:
    content = read_json(path)
    category = content.get("category") if isinstance(content, dict) else None
    counts = [content.get(key) for key in ("num_shards", "num_people")] if isinstance(content, dict) else [None]
    if (
        not all(type(count) is int and count >= 0 for count in counts)
        or not isinstance(category, dict)
        or (type(category.get("id")), type(category.get("name"))) != (int, str)
    ):
        raise InputError(
            f"expected num_shards, num_people and category in {path}, found {describe(content)}; write the shards anew"
        )
    if content.get("format_version") != VERSION:
        raise InputError(
            f"expected shards of format {VERSION} in {path}, found {content.get('format_version')!r}; write them anew"
        )
    return content


def _read_index(root: Path, shard: int) -> NDArray[Any]:
    """One shard's index, checked against the tar: its size now, each member's header when it is read."""
    tar, index = (root / f"{shard_name(shard)}{suffix}" for suffix in (".tar", ".idx"))
    try:
        size = tar.stat().st_size
        rows = np.load(index, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(
            f"expected {tar.name} and its index {index.name} in {root}, found: {reason}; write the shards anew"
        ) from None
    if rows.dtype != INDEX or rows.ndim != 1 or not len(rows):
        raise InputError(f"expected the index of a shard in {index}, found another array; write the shards anew")
    for offset, length in (("offset", "size"), ("labels_offset", "labels_size")):
        last = int((rows[offset] + rows[length]).max())
        if last > size or int(rows[offset].min()) < HEADER or int(rows[length].min()) < 0:
            raise InputError(
                f"expected {index.name} to be the index of {tar}, found that it speaks of byte {last} of {size}; write"
                " the shards anew"
            )
    return np.asarray(rows)


def _read_people(images: _Members, count: int) -> tuple[People, Pictures]:
    records = [images.labels(place) for place in range(len(images.rows))]
    try:
        placed = [(person["number"], n, person) for n, record in enumerate(records) for person in record["people"]]
        placed.sort(key=lambda entry: entry[0])  # the order they had, so that an index means the same person
        picture = np.array([n for _, n, _ in placed], np.int64)
        rows = [person for _, _, person in placed]
        ids = [record["image_id"] for record in records]
        sizes = np.array([record["image_size"] for record in records], np.int32).reshape(-1, 2)
        whole = all(type(number) is int for number in ids)
        names = np.array([record["file_name"] for record in records], np.str_)
        images.files = dict(zip(names.tolist(), images.stored_paths, strict=True))
        pictures = Pictures(np.array(ids if whole else list(map(str, ids))), names, sizes)
        return People(
            picture=picture,
            annotation_id=np.array([row["id"] for row in rows], np.int64),
            keypoints=np.array([row["keypoints"] for row in rows], np.float32).reshape(len(rows), count, 2),
            visibility=np.array([row["visibility"] for row in rows], np.int8).reshape(len(rows), count),
            box_xyxy=np.array([row["box_xyxy"] for row in rows], np.float64).reshape(len(rows), 4),
            area=np.array([row["area"] for row in rows], np.float64),
            crowd=np.array([row["crowd"] for row in rows], bool),
            score=np.array([row["score"] for row in rows], np.float32),
            head_size=np.array([row["head_size"] for row in rows], np.float32),
        ), pictures
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"expected the labels of {count} keypoints in every .json of {images.root}, found:"
            f" {f'the key {error} is missing' if isinstance(error, KeyError) else error}; write the shards anew"
        ) from None
