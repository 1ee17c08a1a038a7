"""One training run of a one-stage network: from a `DenseConfig` to a folder with the model in it."""

from pathlib import Path
from typing import Any

import torch

from poserior.datasets.scene_base import SceneDataset
from poserior.dense.config import DenseConfig
from poserior.dense.data import BoxesOnly, SceneData
from poserior.dense.model import DenseModel
from poserior.dense.module import DenseModule
from poserior.dense.spec import DenseSpec, build_dense, load_dense, save_dense
from poserior.training.config import Part
from poserior.training.fit import Run, fit
from poserior.training.opening import begin, take_weights
from poserior.training.parts import build
from poserior.training.record import SCENES


def train(
    config: DenseConfig,
    output: str | Path,
    resume: bool = False,
    data: tuple[SceneDataset, SceneDataset | None] | None = None,
    title: str | None = None,
    progress: bool = True,
) -> Path:
    """Train a one-stage network and leave it in a folder; `poserior.training.run.train` says what else is in there.

    A resumed run ends with the weights of one that was never interrupted, on a CPU bit for bit.

    Args:
        config: everything about the run.
        output: the folder.
        resume: go on from the folder's ``last.ckpt``, or start if there is none.
        data: training and validation pictures, instead of those that `config` describes.
        title: what the progress bar is called; the head's name by default.
        progress: show that bar on stderr.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds another run, the data or the checkpoint cannot be used, a file cannot be written,
            or the loss stopped being a number (see `poserior.training.watch`).
    """
    output = begin(config, output, resume, data is not None)
    learnt, checked = data or (scenes(config.train_data, "train_data"), scenes(config.val_data, "val_data"))
    if config.boxes_only:
        learnt, checked = BoxesOnly(learnt), None if checked is None else BoxesOnly(checked)
    batches = SceneData(
        learnt,
        checked,
        config.image_size,
        config.loader,
        config.augment,
        config.max_objects,
        config.fraction,
        config.seed,
    )
    spec = dense_spec(config, learnt)
    model = build_dense(spec, config.loss_weights)
    if config.warm_start is not None:
        warm_start(model, config.warm_start)
    model.backbone.to(memory_format=torch.channels_last)
    module = DenseModule(model, config.optimiser, config.budget)

    def save() -> None:
        model.backbone.to(memory_format=torch.contiguous_format)
        save_dense(model.cpu(), spec, output)

    sets = {"train": learnt, "val": checked}
    run = Run(config, output, module, batches, spec.skeleton, sets, SCENES, save)
    fit(run, resume, (title or spec.head["class_path"]) if progress else None)
    return output


def dense_spec(config: DenseConfig, data: SceneDataset) -> DenseSpec:
    """What `config` and the data say about the network itself."""
    return DenseSpec(
        backbone=_bare(config.backbone),
        head=_bare(config.head),
        categories=tuple(data.categories),
        skeleton=data.skeleton,
        image_size=config.image_size,
        refine=config.refine,
        channels=config.channels,
    )


def scenes(part: Part | None, role: str) -> Any:
    """The data set that a configuration's `train_data` or `val_data` describes; None for None."""
    return None if part is None else build(part, SceneDataset, role)  # type: ignore[type-abstract]


def warm_start(model: DenseModel, run: str | Path) -> None:
    """Copy the backbone's weights and statistics from another one-stage run's folder.

    Raises:
        InputError: the folder holds no such model, or its backbone is another network.
    """
    take_weights(model.backbone, load_dense(run)[0].backbone, run)


def _bare(part: Part) -> dict[str, Any]:
    name = str(part.get("class_path", "")).rpartition(".")[2]
    return {"class_path": name, "init_args": dict(part.get("init_args") or {})}
