"""Whole pictures to batches."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset
from typing_extensions import override

from poserior.datasets.scene_base import SceneDataset
from poserior.dense.truth import Scenes
from poserior.errors import InputError
from poserior.scenes import Scene, SceneBatch
from poserior.training.config import Loader
from poserior.training.data import Batches, to_device
from poserior.transforms import SceneAugment, SceneItems, SceneTransform, collate_scenes


class SceneData(Batches):
    """The batches of one run's pictures.

    Args:
        train: the pictures to learn from.
        val: the pictures to check on; None for no validation.
        image_size: ``(H, W)`` of what the network sees.
        loader: batch size, workers, and whether to augment.
        augment: values of `transforms.SceneAugment` that differ from its defaults.
        max_objects: of a picture; see `transforms.collate_scenes`.
        fraction: how much of `train` is learnt from, see `part_of`.
        seed: of choice, order and augmentation.

    Raises:
        InputError: there is nothing to learn from, or the two sets have other categories or skeletons.
    """

    def __init__(
        self,
        train: SceneDataset,
        val: SceneDataset | None,
        image_size: tuple[int, int],
        loader: Loader,
        augment: Mapping[str, Any] | None = None,
        max_objects: int = 128,
        fraction: float = 1.0,
        seed: int = 0,
    ) -> None:
        if len(train) == 0:
            raise InputError("expected pictures to learn from, found an empty training set; correct its arguments")
        if val is not None:
            _check_same(train, val)
        chosen = None
        if loader.augment:
            given = (augment or {}).items()
            values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given}
            chosen = SceneAugment(**values)
        super().__init__(
            SceneItems(part_of(train, fraction, seed), SceneTransform(image_size, chosen), seed),
            SceneItems(val, SceneTransform(image_size)) if val is not None and len(val) else None,
            loader,
            partial(collate_scenes, max_objects=max_objects),
            seed,
        )

    @override
    def transfer_batch_to_device(self, batch: SceneBatch, device: torch.device, dataloader_idx: int) -> SceneBatch:
        return to_device(batch, device)


def part_of(dataset: SceneDataset, fraction: float, seed: int) -> "SceneDataset | Subset[Any]":
    """Of n pictures ``round(fraction n)``, at least one, drawn evenly at random, in their old order; 1 for all."""
    if fraction == 1:
        return dataset
    count = max(1, round(fraction * len(dataset)))
    return Subset(dataset, np.sort(np.random.default_rng(seed).permutation(len(dataset))[:count]).tolist())


class BoxesOnly(SceneDataset):
    """Another data set's pictures without their keypoints.

    Args:
        dataset: of pictures with keypoints.
    """

    skeleton = None

    def __init__(self, dataset: Scenes) -> None:
        self.dataset, self.categories = dataset, dataset.categories

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Scene:
        scene = self.dataset[index]
        keypoints, visibility = scene.keypoints[:, :0], scene.visibility[:, :0]
        return replace(scene, keypoints=keypoints, visibility=visibility, skeleton=None)


def _check_same(train: SceneDataset, val: SceneDataset) -> None:
    if val.categories != train.categories:
        raise InputError(
            f"expected one list of categories for training and validation, found {len(train.categories)}"
            f" ({', '.join(train.categories[:3])}...) and {len(val.categories)} ({', '.join(val.categories[:3])}...);"
            " choose data sets that agree"
        )
    if val.skeleton != train.skeleton:
        names = ["none" if one.skeleton is None else repr(one.skeleton.name) for one in (train, val)]
        raise InputError(
            f"expected one skeleton for training and validation, found {names[0]} and {names[1]};"
            " choose data sets that agree"
        )
