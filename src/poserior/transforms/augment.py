"""What may be varied at random, and how much: plain numbers."""

from dataclasses import dataclass, fields

from poserior.errors import InputError


@dataclass(frozen=True)
class Augment:
    """Random changes of a training crop; all zero means none.

    The defaults are the usual ones of top-down training on COCO.

    Attributes:
        rotation: at most so many degrees, either way, uniform.
        rotation_probability: how often the crop is turned at all.
        scale: the person is shown at a size of 1 - scale to 1 + scale, uniform.
        shift: the crop's centre moves by at most this fraction of the box's sides, uniform.
        flip: probability of mirroring (left and right keypoints are exchanged).
        half_body: probability of looking at the upper or the lower half alone, where enough keypoints are labelled.
        colour: strength of brightness, contrast, saturation and hue changes; 0.2 changes each by at most a fifth.
        occlusion: probability of a rectangle of plain colour or noise over a part of the crop; keypoints behind it
            become occluded (visibility 1).
        occlusion_size: the rectangle covers at most this part of the crop's area.

    Raises:
        InputError: a probability is outside of [0, 1], a number is negative, or a scale or size is not below 1.
    """

    rotation: float = 45.0
    rotation_probability: float = 0.5
    scale: float = 0.25
    shift: float = 0.0
    flip: float = 0.5
    half_body: float = 0.3
    colour: float = 0.2
    occlusion: float = 0.3
    occlusion_size: float = 0.25

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            limit = 180.0 if field.name == "rotation" else 1.0
            if not 0 <= value <= limit or (field.name == "scale" and value == 1):
                raise InputError(f"expected augment.{field.name} from 0 to {limit:g}, found {value}; correct it")
