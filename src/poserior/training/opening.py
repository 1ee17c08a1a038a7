"""What every training run does before it builds anything."""

from pathlib import Path

import lightning.pytorch as pl
from torch import nn

from poserior.errors import InputError
from poserior.training.config import RunConfig
from poserior.training.folder import check_folder, is_first_process


def begin(config: RunConfig, output: str | Path, resume: bool, handed_over: bool) -> Path:
    """Check what needs no data, and set the seeds.

    Args:
        config: everything about the run.
        output: its folder.
        resume: go on with what is in there.
        handed_over: Python code brings the data.

    Returns:
        The folder.

    Raises:
        InputError: there is nothing to learn from, or the folder holds another run.
    """
    output = Path(output)
    if config.train_data is None and not handed_over:
        raise InputError("expected train_data to learn from, found none; add it to the configuration, or pass data")
    if is_first_process():
        check_folder(output, config, resume)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    return output


def take_weights(backbone: nn.Module, other: nn.Module, run: str | Path) -> None:
    """Copy a backbone's weights and statistics from that of the `warm_start` folder `run`.

    Raises:
        InputError: the other one is another network.
    """
    ours, theirs = backbone.state_dict(), other.state_dict()
    if {name: value.shape for name, value in ours.items()} != {name: value.shape for name, value in theirs.items()}:
        raise InputError(
            f"expected the same backbone in warm_start folder {run}, found one with other weights;"
            " give this run the backbone that was trained there"
        )
    backbone.load_state_dict(theirs)
