"""The pictures that annotations speak of, and their pixels."""

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.errors import InputError
from poserior.pictures import CorruptImageError, Images, decode

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pictures:
    """M pictures: ids ``(M,)`` (integers or text), names ``(M,)``, sizes ``(M, 2)`` as (H, W), 0 where unknown."""

    ids: NDArray[Any]
    names: NDArray[Any]
    sizes: NDArray[np.int32]


class StoredPictures:
    """The needed ones among annotated pictures, found in a folder, tar or zip.

    Args:
        needed: their positions among `pictures`.
        pictures: all.
        images: where they lie.

    Raises:
        InputError: a needed picture is not there.
    """

    def __init__(self, needed: Iterable[int], pictures: Pictures, images: Images) -> None:
        self.pictures, self.images, self._root = pictures, images, str(images.root)
        self._paths = _locate(needed, pictures, images)

    def path(self, picture: int) -> str:
        """Where in the images it lies."""
        return self._paths[picture]

    def source(self, picture: int) -> str:
        """What messages call it."""
        return f"{self._root}{os.sep}{self._paths[picture]}"

    def pixels(self, picture: int) -> NDArray[np.uint8]:
        """The picture, as large as the annotations say."""
        advice = "restore the file, or set skip_corrupt=True to leave such images out"
        image = decode(self.images.read(self._paths[picture]), self.source(picture), advice=advice)
        height, width = self.pictures.sizes[picture].tolist()
        if height and image.shape[:2] != (height, width):
            raise InputError(
                f"expected an image of {width} x {height} pixels at {self.source(picture)}, as the annotations say,"
                f" found {image.shape[1]} x {image.shape[0]}; use the images that were annotated"
            )
        return image

    def corrupt(self) -> list[int]:
        """Those that cannot be decoded; reads them all."""

        def is_corrupt(picture: int) -> bool:
            try:
                self.pixels(picture)
            except CorruptImageError as error:
                _log.warning("left out: %s", error)
                return True
            return False

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases the interpreter lock
            return [picture for picture, bad in zip(self._paths, pool.map(is_corrupt, self._paths), strict=True) if bad]


def _locate(needed: Iterable[int], pictures: Pictures, images: Images) -> dict[int, str]:
    found = {int(picture): images.find(str(pictures.names[picture])) for picture in needed}
    missing = [str(pictures.names[picture]) for picture, stored in found.items() if stored is None]
    if missing:
        raise InputError(
            f"expected the image {missing[0]!r} in {images.root}, found neither it nor {len(missing) - 1} more"
            f" of the {len(found)} the annotations need; correct the images' path or the annotations"
        )
    return {picture: stored for picture, stored in found.items() if stored is not None}
