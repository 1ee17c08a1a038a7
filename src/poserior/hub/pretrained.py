"""Run folders to folders of the Hub's form, to the Hub, and back. Weights travel as safetensors alone."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from poserior.errors import InputError
from poserior.hub.card import model_card
from poserior.inference import Predictor, load
from poserior.json_files import read_json
from poserior.models import load_model
from poserior.outputs import write_json
from poserior.whole_files import replacing, write_bytes

FILES = ("config.json", "model.yaml", "model.safetensors", "metrics.json", "README.md")
"""What a saved model consists of, and all that is fetched from the Hub."""


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
    _, spec = load_model(run)
    metrics = _mapping(run / "metrics.json")
    config = _yaml(run / "config.yaml")
    card = model_card(spec, metrics, config, license, name or output.resolve().name)
    output.mkdir(parents=True, exist_ok=True)
    for file in ("model.safetensors", "model.yaml"):
        write_bytes(output / file, (run / file).read_bytes())
    content = {"library_name": "poserior", "format_version": 1, **asdict(spec)}
    write_json(output / "config.json", content)
    if metrics:
        write_json(output / "metrics.json", metrics)
    with replacing(output / "README.md") as text:
        text.write(card)
    return output


def from_pretrained(
    name_or_folder: str | Path,
    revision: str | None = None,
    cache: str | Path | None = None,
    flip_test: bool = True,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    regions: float | None = None,
) -> Predictor:
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
    folder = Path(name_or_folder)
    if not folder.is_dir():
        folder = _fetch(str(name_or_folder), revision, cache)
    return load(folder, flip_test, batch_size, None if device is None else str(device), regions)


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
    with tempfile.TemporaryDirectory() as place:
        folder = save_pretrained(run, Path(place) / "model", license, repo_id.rpartition("/")[2])
        try:
            api = HfApi(token=token)
            found = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
            commit = api.upload_folder(
                repo_id=found,
                repo_type="model",
                folder_path=folder,
                commit_message=message,
                revision=branch,
                allow_patterns=list(FILES),
            )
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise InputError(
                f"expected to upload to {repo_id!r}, found that the Hub refuses ({_line(error)}); check the name, the"
                " token and the connection"
            ) from None
    return str(commit)


def _fetch(repo_id: str, revision: str | None, cache: str | Path | None) -> Path:
    try:
        return Path(snapshot_download(repo_id, revision=revision, cache_dir=cache, allow_patterns=list(FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"expected a folder or a model on the Hub (owner/name), found neither at {repo_id!r} ({_line(error)});"
            " correct it"
        ) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _mapping(path: Path) -> Mapping[str, Any]:
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"expected YAML in {path}, found {_line(error)}; restore it") from None
    return content if isinstance(content, dict) else {}
