"""The labelled pictures themselves: are they there, and how large are they. Only headers are read."""

import warnings
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from poserior.errors import InputError
from poserior.formats.record import Annotations

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_ORIENTATION = 0x0112


def with_sizes(annotations: Annotations, images: str | Path) -> Annotations:
    """The same, where every picture has the size of its file.

    A name is looked for as a path from the folder, then by its last part alone.

    Args:
        annotations: the labels.
        images: the folder of the pictures.

    Raises:
        InputError: the folder or a picture is missing, a picture is none, or it has another size than the labels say.
    """
    root = Path(images)
    if not root.is_dir():
        raise InputError(f"expected a folder of pictures, found none at {root}; unpack the archive or correct the path")
    files = [_find(root, image.name) for image in annotations.images]
    missing = [image.name for image, file in zip(annotations.images, files, strict=True) if file is None]
    if missing:
        raise InputError(
            f"expected all {len(files)} labelled pictures in {root}, found {len(files) - len(missing)}, not"
            f" {', '.join(missing[:3])}; correct --images or remove their labels"
        )
    pictures, turned = [], 0
    for image, file in zip(annotations.images, files, strict=True):
        size, is_turned = picture_size(file) if file is not None else ((0, 0), False)
        if image.size is not None and image.size != size:
            raise InputError(
                f"expected {file} to be {image.size[1]} x {image.size[0]} pixels as its labels say, found"
                f" {size[1]} x {size[0]}{' (the file asks viewers to turn it)' if is_turned else ''}; give the"
                " pictures that were labelled"
            )
        turned += is_turned
        pictures.append(replace(image, size=size))
    notes = [f"that {turned} pictures ask viewers to turn them (EXIF): labels count as those of the stored pixels"]
    return replace(annotations, images=tuple(pictures), notes=(*annotations.notes, *(notes if turned else ())))


def picture_size(path: Path) -> tuple[tuple[int, int], bool]:
    """``(H, W)`` as stored, and whether the file asks viewers to turn it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about many pixels: none is decoded here
            with Image.open(path) as picture:
                return (picture.height, picture.width), picture.getexif().get(_ORIENTATION, 1) not in (0, 1)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        reason = "no picture" if isinstance(error, UnidentifiedImageError) else str(error)
        raise InputError(f"expected a picture at {path}, found: {reason}; replace it or remove its labels") from None


def _find(root: Path, name: str) -> Path | None:
    path = root / name
    return next((file for file in (path, root / path.name) if file.is_file()), None)
