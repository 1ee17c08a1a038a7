"""Run folders to folders of the Hub's form, to the Hub, and back, in one call each."""

from pathlib import Path

import torch

from poserior.errors import InputError
from poserior.hub.predictor import PretrainedPredictor


def save_pretrained(run: str | Path, output: str | Path, license: str | None = None, name: str | None = None) -> Path:
    """Write a trained run as a folder of the Hub's form.

    ``config.json`` (what the model is built from, as plain values), ``model.yaml`` (the same, as `load` reads it),
    ``model.safetensors``, ``README.md`` (the model card) and the run's ``metrics.json`` if it has one. The run's own
    files are only read, and read first: nothing is written if the run cannot be loaded.

    Args:
        run: a run's folder.
        output: where to; files of these names are replaced.
        license: the licence's identifier for the card, e.g. ``"apache-2.0"``. It depends on the data too, so there is
            no default.
        name: what the card calls the model; by default the name of `output`.

    Returns:
        `output`.

    Raises:
        InputError: the folder holds no finished run, or `output` is the run's own folder.
    """
    run, output = Path(run), Path(output)
    if run.resolve() == output.resolve():
        raise InputError(f"expected another folder than the run's own to save in, found {str(output)!r}; choose one")
    about = {key: value for key, value in (("license", license), ("name", name)) if value}
    PretrainedPredictor.of_folder(run, device="cpu").save_pretrained(output, model_card_kwargs=about)
    return output


def from_pretrained(
    name_or_folder: str | Path,
    revision: str | None = None,
    cache: str | Path | None = None,
    flip_test: bool = True,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    regions: float | None = None,
) -> PretrainedPredictor:
    """The predictor of a saved model: from a folder, or from the Hub.

    Args:
        name_or_folder: a folder that `save_pretrained` wrote (or a run's), or ``"owner/name"`` on the Hub.
        revision: the Hub's branch, tag or commit; its main branch by default.
        cache: where downloads are kept; the Hub's usual place by default.
        flip_test: as `Predictor` has it, like all that follow.
        batch_size: crops per pass.
        device: where to run.
        regions: the coverage of regions.

    Raises:
        InputError: there is no such folder or model, or it is none of this library.
    """
    return PretrainedPredictor.from_pretrained(
        name_or_folder,
        revision=revision,
        cache_dir=cache,
        flip_test=flip_test,
        batch_size=batch_size,
        device=device,
        regions=regions,
    )


def push_to_hub(
    run: str | Path,
    repo_id: str,
    license: str | None = None,
    private: bool | None = None,
    message: str = "Upload a Poserior model",
    branch: str | None = None,
    token: str | None = None,
) -> str:
    """Save a run as `save_pretrained` does and upload it in one commit; the repository is made if need be.

    Args:
        run: a run's folder.
        repo_id: ``"owner/name"``.
        license: see `save_pretrained`.
        private: whether a new repository is; the account's default otherwise.
        message: the commit's.
        branch: the main one by default.
        token: the account's; by default the one that the Hub's own tool stored.

    Returns:
        The commit's address.

    Raises:
        InputError: the run cannot be loaded, or the Hub refuses.
    """
    return PretrainedPredictor.of_folder(run, device="cpu").push_to_hub(
        repo_id,
        private=private,
        commit_message=message,
        branch=branch,
        token=token,
        model_card_kwargs={"license": license},
    )
