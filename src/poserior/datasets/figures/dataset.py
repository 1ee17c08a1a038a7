"""`Figures`: people who do not exist, with everything known about them."""

import numpy as np
import torch

from poserior import skeletons
from poserior.datasets.base import KeypointDataset
from poserior.datasets.figures.camera import Camera
from poserior.datasets.figures.noise import LabelNoise, Truth
from poserior.datasets.figures.scene import Person, Picture, Settings, paint
from poserior.errors import InputError
from poserior.structures import Sample

_NOISE_STREAM = 0x6C616265  # keeps label noise apart from the picture's own chance


class Figures(KeypointDataset):
    """Synthetic articulated people: the embedded data set, which needs no download.

    A body of its own shape strikes a pose within its joints' limits, is dressed, lit, seen by a perspective camera
    from anywhere, put in front of a room, a landscape or a studio, and partly hidden by its own limbs, other people,
    things or the picture's edge. All of it follows from (seed, index) alone, in any process and any order: two data
    sets of different `seed` (or of ranges that do not overlap, by `first`) are a training and a validation set.

    An item is one person: the one nearest to the camera. `scene` gives everybody in a picture.

    Args:
        length: how many items.
        seed: which people.
        picture_size: the pictures' ``(H, W)``.
        people: the least and the greatest number of people in a picture.
        clip_length: frames per clip, twelve to the second. Item ``i`` is frame ``i % clip_length`` of clip
            ``i // clip_length``; with 1 every item is a picture of its own.
        label_noise: the law of the labels' errors; None leaves them exact.
        occluders: the probability that something stands in front.
        truncation: the probability that the picture cuts part of the people off.
        supersample: rays per pixel and axis; 2 smooths the outlines.
        first: the number of the first clip (of the first picture, where clips are single pictures).

    Raises:
        InputError: an argument is out of its range, or an index is.

    >>> sample = Figures(length=3, seed=1)[0]
    >>> tuple(sample.image.shape), tuple(sample.keypoints.shape), tuple(sample.joints_3d.shape)
    ((160, 128, 3), (17, 2), (17, 3))
    """

    def __init__(
        self,
        length: int = 10_000,
        seed: int = 0,
        picture_size: tuple[int, int] = (160, 128),
        people: tuple[int, int] = (1, 1),
        clip_length: int = 1,
        label_noise: LabelNoise | None = None,
        occluders: float = 0.3,
        truncation: float = 0.22,
        supersample: int = 2,
        first: int = 0,
    ) -> None:
        _at_least("length", length, 0)
        _at_least("seed", seed, 0)
        _at_least("first", first, 0)
        _at_least("clip_length", clip_length, 1)
        _at_least("supersample", supersample, 1)
        _at_least("the picture's shorter side", min(picture_size), 32)
        if not 1 <= people[0] <= people[1]:
            raise InputError(
                f"expected people as (least, greatest) with 1 <= least <= greatest, found {people}; correct it"
            )
        for name, value in (("occluders", occluders), ("truncation", truncation)):
            if not 0 <= value <= 1:
                raise InputError(
                    f"expected {name} of Figures to be a probability, found {value}; give a number in [0, 1]"
                )
        self.skeleton = skeletons.load("coco17")
        self.length, self.seed, self.first, self.label_noise = length, seed, first, label_noise
        sides, crowd = (picture_size[0], picture_size[1]), (people[0], people[1])
        self.settings = Settings(sides, crowd, clip_length, float(occluders), float(truncation), supersample)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        picture = self.picture(index)
        return self._sample(index, picture, 0, torch.from_numpy(picture.image))

    def scene(self, index: int) -> list[Sample]:
        """Everybody who can be seen in the picture at an index, the nearest first; the image is shared."""
        return self.samples(index, self.picture(index))

    def samples(self, index: int, picture: Picture) -> list[Sample]:
        """What `scene` gives, of a picture already painted."""
        image = torch.from_numpy(picture.image)
        shown = [
            number for number, person in enumerate(picture.people) if person.area > 0 and (person.visibility > 0).any()
        ]
        return [self._sample(index, picture, number, image) for number in shown]

    def camera(self, index: int) -> Camera:
        """The camera of the picture at an index; its `intrinsics` take ``joints_3d`` to ``true_keypoints``."""
        return self.picture(index).camera

    def picture(self, index: int) -> Picture:
        """The picture at an index, with its people's masks."""
        position = index + self.length if index < 0 else index
        if not 0 <= position < self.length:
            # An IndexError ends a plain loop over the data set.
            raise IndexError(f"expected an index below {self.length}, found {index}")
        clip, frame = divmod(position, self.settings.clip_length)
        return paint(self.seed, self.first + clip, frame, self.settings)

    def _sample(self, index: int, picture: Picture, number: int, image: torch.Tensor) -> Sample:
        position = index % self.length
        person: Person = picture.people[number]
        exact = torch.from_numpy(person.keypoints.astype(np.float32))
        visibility = torch.from_numpy(person.visibility)
        area = max(person.area, 1.0)
        labels, law = exact, None
        if self.label_noise is not None:
            widths = 2 * torch.tensor(self.skeleton.oks_sigmas) * area**0.5
            number_of_clip = self.first + position // self.settings.clip_length
            keys = [self.seed, number_of_clip, position % self.settings.clip_length, number, _NOISE_STREAM]
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(keys)))
            truth = Truth(exact, visibility, widths, self.skeleton)
            law = self.label_noise.law(truth)
            labels = self.label_noise.draw(truth, rng)
        return Sample(
            image=image,
            keypoints=torch.where(visibility[:, None] > 0, labels, torch.zeros_like(labels)),
            visibility=visibility,
            box_xyxy=torch.from_numpy(person.box_xyxy.astype(np.float32)),
            area=area,
            skeleton=self.skeleton,
            image_id=position,
            annotation_id=position * 100 + number + 1,
            source=f"Figures(seed={self.seed})[{position}]",
            joints_3d=torch.from_numpy(person.joints_3d.astype(np.float32)),
            true_keypoints=exact,
            label_law=law,
        )


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(f"expected {name} of Figures to be at least {least}, found {value}; give a larger number")
