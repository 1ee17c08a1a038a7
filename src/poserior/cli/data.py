"""The people that a verb looks at where none are named."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.datasets import KeypointDataset


def own_data(folder: Path, skeleton: Any, count: int) -> "tuple[KeypointDataset, str]":
    """The run's validation data; for a run on people who were handed over (the demo's), held-out Figures."""
    import yaml

    from poserior.cli.demo import held_out
    from poserior.training.run import people

    config: dict[str, Any] = {}
    if (folder / "config.yaml").is_file():
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) or {}
    part = config.get("val_data")
    if part is not None:
        return people(part, "val_data"), f"validation data of {folder.resolve().name} ({part['class_path']})"
    figures = held_out(count, int(config.get("seed", 0)))
    if figures.skeleton != skeleton:
        raise InputError(
            f"expected --annotations and --images for a run of skeleton {skeleton.name} without validation data of its"
            " own, found none; give both"
        )
    return figures, f"held-out Figures (seed {figures.seed}, label noise of the demo)"
