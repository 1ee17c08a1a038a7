"""A predictor with the Hub's three methods. Weights travel as safetensors alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from huggingface_hub import ModelCard, PyTorchModelHubMixin, snapshot_download
from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]  # of its HTTP client

from poserior.errors import InputError
from poserior.hub.card import TAGS, data_named, model_card
from poserior.inference import Predictor
from poserior.json_files import read_json
from poserior.models import ModelSpec, Regressor, load_model, save_model
from poserior.outputs import write_json
from poserior.whole_files import replacing

FILES = ("config.json", "model.yaml", "model.safetensors", "metrics.json", "README.md")
"""What a saved model consists of, and all that is fetched from the Hub."""

_REFUSALS = (HTTPError, HFValidationError, OSError)


class PretrainedPredictor(
    Predictor, PyTorchModelHubMixin, library_name="poserior", pipeline_tag="keypoint-detection", tags=list(TAGS)
):
    """A `Predictor` that `from_pretrained` makes, and that `save_pretrained` and `push_to_hub` pass on.

    The methods and their options are those of `huggingface_hub.PyTorchModelHubMixin`. What is written is this library's
    (`FILES`), and only safetensors are read: where the mixin would fall back on a pickle, this refuses.

    Args:
        model: a trained regressor.
        spec: what it was built from.
        flip_test: as `Predictor` has it, like all up to `regions`.
        batch_size: crops per pass.
        device: where to run.
        regions: the coverage of regions.
        metrics: what was measured of it, for the card.
        data: what it was trained and validated on, for the card: ``trained_on``, ``validated_on``.
        license: the licence's identifier, for the card.
    """

    model: Regressor

    def __init__(
        self,
        model: Regressor,
        spec: ModelSpec,
        flip_test: bool = True,
        batch_size: int = 64,
        device: torch.device | str | None = None,
        regions: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
        license: str | None = None,
    ) -> None:
        super().__init__(model, spec, flip_test, batch_size, device, regions)
        self.metrics, self.data, self.license = dict(metrics or {}), dict(data or {}), license

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **model_kwargs: Any,
    ) -> "PretrainedPredictor":
        """The predictor of a folder that `save_pretrained` wrote, of a run's folder, or of a model on the Hub.

        Args:
            pretrained_model_name_or_path: a folder, or ``"owner/name"``.
            force_download: the mixin's, like all up to `revision`.
            token: the account's.
            cache_dir: where downloads are kept.
            local_files_only: ask nothing of the network.
            revision: the Hub's branch, tag or commit.
            model_kwargs: options of `Predictor`.

        Raises:
            InputError: there is no such folder or model, or it is none of this library.
        """
        # The mixin's own would take config.json's entries for arguments; the model is built from model.yaml.
        return cls._from_pretrained(
            model_id=str(pretrained_model_name_or_path),
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            **model_kwargs,
        )

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "PretrainedPredictor":
        names = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        of_hub = {name: options.pop(name) for name in names}
        folder = Path(model_id)
        if not folder.is_dir():
            with _refusals(f"expected a folder or a model on the Hub (owner/name), found neither at {model_id!r}"):
                folder = Path(snapshot_download(model_id, allow_patterns=list(FILES), **of_hub))
        return cls.of_folder(folder, **options)

    @classmethod
    def of_folder(cls, folder: str | Path, **options: Any) -> "PretrainedPredictor":
        """The predictor of a folder on this computer: a run's, or one that `save_pretrained` wrote.

        Args:
            folder: its path.
            options: those of `Predictor`.
        """
        folder = Path(folder)
        model, spec = load_model(folder)
        saved = _mapping(folder / "config.json")
        told = {key: saved[key] for key in ("trained_on", "validated_on", "license") if isinstance(saved.get(key), str)}
        license = told.pop("license", None)
        data = told | data_named(_yaml(folder / "config.yaml"))
        metrics = _mapping(folder / "metrics.json")
        return cls(model, spec, **{"metrics": metrics, "data": data, "license": license, **options})

    def save_pretrained(
        self, save_directory: str | Path, *, model_card_kwargs: dict[str, Any] | None = None, **options: Any
    ) -> str | None:
        """Write `FILES`, each whole or not at all; files of these names are replaced.

        ``config.json`` (what the model is built from, as plain values), ``model.yaml`` (the same, as `load` reads it),
        ``model.safetensors``, ``README.md`` (the model card) and ``metrics.json`` if anything was measured.

        Args:
            save_directory: where to.
            model_card_kwargs: arguments of `generate_model_card`; a licence is remembered.
            options: the mixin's: ``push_to_hub=True``, ``repo_id`` and what `push_to_hub` takes.

        Returns:
            The commit's address if it was pushed.
        """
        folder = Path(save_directory)
        about = {"name": folder.resolve().name, **(model_card_kwargs or {})}
        with replacing(folder / "README.md") as text:  # before the mixin, which leaves an older card as it is
            text.write(str(self.generate_model_card(**about)))
        if about.get("license"):
            self.license = about["license"]
        address: str | None = super().save_pretrained(folder, model_card_kwargs=model_card_kwargs, **options)
        return address

    def _save_pretrained(self, save_directory: Path) -> None:
        save_model(self.model, self.spec, save_directory)
        content = {"library_name": "poserior", "format_version": 1, **asdict(self.spec), **self.data}
        write_json(save_directory / "config.json", content | ({"license": self.license} if self.license else {}))
        if self.metrics:
            write_json(save_directory / "metrics.json", self.metrics)

    def push_to_hub(self, repo_id: str, *, model_card_kwargs: dict[str, Any] | None = None, **options: Any) -> str:
        """Save and upload in one commit; the repository is made if need be.

        Args:
            repo_id: ``"owner/name"``.
            model_card_kwargs: arguments of `generate_model_card`.
            options: the mixin's: ``commit_message``, ``private``, ``token``, ``branch``, ``create_pr``, ...

        Returns:
            The commit's address.

        Raises:
            InputError: the Hub refuses.
        """
        about = {"name": repo_id, **(model_card_kwargs or {})}
        with _refusals(f"expected to upload to {repo_id!r}, found that the Hub refuses"):
            return str(super().push_to_hub(repo_id, model_card_kwargs=about, **options))

    def generate_model_card(self, *, name: str = "model", license: str | None = None) -> ModelCard:
        """The card, from the model and what was measured of it.

        Args:
            name: what it calls the model.
            license: the licence's identifier, e.g. ``"apache-2.0"``; by default what was stated before. It depends on
                the data too, so there is no other default.
        """
        return ModelCard(model_card(self.spec, self.metrics, self.data, license or self.license, name))


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """What the Hub's client says as one sentence."""
    try:
        yield
    except InputError:
        raise
    except _REFUSALS as error:
        raise InputError(f"{what} ({_line(error)}); check the name, the token and the connection") from None


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
