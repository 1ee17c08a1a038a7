"""The checkpoint: written whole or not at all, read with a check of what it is."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from typing_extensions import override

from poserior.errors import InputError
from poserior.skeletons import Skeleton
from poserior.training.config import Checkpoint
from poserior.whole_files import write_bytes

# In several processes the clock is asked every so many steps only: all have to hear the first one's answer.
_CLOCK_EVERY = 10


class WholeFile(TorchCheckpointIO):
    """Checkpoints as files under a temporary name first, on the disk before they get their own.

    Args:
        skeleton: whose keypoints the run learns, if any; goes into the file and is compared with it.
        weights: names and values of the module's weights; a checkpoint with others is refused.
    """

    def __init__(self, skeleton: Skeleton | None, weights: Mapping[str, Tensor]) -> None:
        name, keypoints = ("none", ()) if skeleton is None else (skeleton.name, skeleton.keypoints)
        self.skeleton: dict[str, Any] = {"name": name, "keypoints": list(keypoints)}
        self.shapes = {name: tuple(value.shape) for name, value in weights.items()}

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save({**checkpoint, "skeleton": self.skeleton}, content)
        write_bytes(Path(path), content.getbuffer(), durable=True)

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        advice = "restore it from a copy, or start anew in another folder"
        try:
            content = torch.load(path, map_location=map_location, weights_only=True)
        except Exception as error:  # torch raises many kinds, OSError too, for a file that is cut off or something else
            reason = (" ".join(str(error).split()) or type(error).__name__).split(". ")[0][:120]
            raise InputError(
                f"expected a whole checkpoint at {path}, found a broken file ({reason}); {advice}"
            ) from None
        if not isinstance(content, dict) or not {"state_dict", "loops", "optimizer_states"} <= content.keys():
            raise InputError(f"expected a checkpoint of a training run at {path}, found other content; {advice}")
        found = content.get("skeleton", self.skeleton)
        if found != self.skeleton:
            raise InputError(
                f"expected a checkpoint for skeleton {self.skeleton['name']!r} ({len(self.skeleton['keypoints'])}"
                f" keypoints) at {path}, found one for {found['name']!r} ({len(found['keypoints'])}); {advice}"
            )
        shapes = {name: tuple(value.shape) for name, value in content["state_dict"].items()}
        if shapes != self.shapes:
            other = sorted(name for name in shapes.keys() | self.shapes if shapes.get(name) != self.shapes.get(name))
            raise InputError(
                f"expected the weights of this run's model in {path}, found another model's (first difference:"
                f" {other[0]}); {advice}"
            )
        return content


class LastCheckpoint(pl.Callback):
    """`last.ckpt` after every epoch and, between, after so many steps or minutes; only after whole optimiser steps.

    Args:
        path: the file.
        often: how often within an epoch.
    """

    def __init__(self, path: Path, often: Checkpoint) -> None:
        self.path, self.often = path, often
        self._step, self._written = 0, time.monotonic()

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._step, self._written = trainer.global_step, time.monotonic()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped, self._step = trainer.global_step > self._step, trainer.global_step
        # after the epoch's last batch comes the validation, and then the epoch's own checkpoint
        if stepped and batch_idx + 1 < trainer.num_training_batches and self._due(trainer):
            self._save(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def _due(self, trainer: pl.Trainer) -> bool:
        steps, minutes = self.often.steps, self.often.minutes
        if steps is not None and trainer.global_step % steps == 0:
            return True
        if minutes is None or (trainer.world_size > 1 and trainer.global_step % _CLOCK_EVERY):
            return False
        passed = time.monotonic() - self._written
        if trainer.world_size > 1:
            passed = trainer.strategy.broadcast(passed)
        return passed >= 60 * minutes

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._written = time.monotonic()
