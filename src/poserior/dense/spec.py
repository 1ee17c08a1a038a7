"""A one-stage network as plain values: built, stored and found again."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_file, save

from poserior import backbones
from poserior.backbones.dense_base import DenseBackbone
from poserior.dense import heads
from poserior.dense.heads import DenseHead
from poserior.dense.losses import PAPER_WEIGHTS, LossWeights
from poserior.dense.model import DenseModel
from poserior.errors import InputError
from poserior.models import plain_values, skeleton_from
from poserior.skeletons import Skeleton
from poserior.whole_files import write_bytes

KIND = "dense"


@dataclass(frozen=True)
class DenseSpec:
    """Everything needed to build a `DenseModel` again.

    Attributes:
        backbone: ``{"class_path": name in poserior.backbones, "init_args": {...}}``.
        head: ``{"class_path": name in poserior.dense.heads, "init_args": {...}}``.
        categories: the objects' names.
        skeleton: what the keypoints are; None for mere boxes.
        image_size: ``(H, W)`` of the pictures it was trained on.
        refine: the network has keypoint heat and offsets.
        channels: of each branch's hidden layer.
    """

    backbone: Mapping[str, Any]
    head: Mapping[str, Any]
    categories: tuple[str, ...]
    skeleton: Skeleton | None
    image_size: tuple[int, int]
    refine: bool = False
    channels: int = 64


def build_dense(spec: DenseSpec, weights: LossWeights = PAPER_WEIGHTS) -> DenseModel:
    """A fresh network.

    Raises:
        InputError: there is no such head or backbone, it does not take these arguments, or they do not go together.
    """
    factors = (1.0,) if spec.skeleton is None else spec.skeleton.oks_sigmas
    backbone = _part(spec.backbone, backbones, DenseBackbone, "backbone")
    head = _part(spec.head, heads, DenseHead, "head", backbone.out_channels, factors)
    if any(side % backbone.size_divisor for side in spec.image_size):
        raise InputError(
            f"expected an image_size in multiples of {backbone.size_divisor} for this backbone, found"
            f" {tuple(spec.image_size)}; change it"
        )
    if spec.refine and spec.skeleton is None:
        raise InputError("expected a skeleton with refine, found none; leave refine out for mere boxes")
    points = 0 if spec.skeleton is None else spec.skeleton.num_keypoints
    return DenseModel(backbone, head, len(spec.categories), points, spec.refine, spec.channels, weights)


def _part(part: Mapping[str, Any], home: Any, kind: type, name: str, *sizes: Any) -> Any:
    """An object of one of the library's classes, from a class's name and its arguments."""
    path = str(part.get("class_path", "")).rpartition(".")[2]
    found = getattr(home, path, None)
    if not (isinstance(found, type) and issubclass(found, kind)) or found is kind:
        known = sorted(key for key, one in vars(home).items() if isinstance(one, type) and issubclass(one, kind))
        raise InputError(
            f"expected a {name} of {home.__name__} ({', '.join(key for key in known if key != kind.__name__)}),"
            f" found {path!r}; correct {name}.class_path"
        )
    try:
        return found(*sizes, **(part.get("init_args") or {}))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} {path} does not take these arguments: {error}; correct {name}.init_args") from None


def save_dense(model: DenseModel, spec: DenseSpec, folder: Path) -> None:
    """Write ``model.yaml`` and ``model.safetensors``, each whole or not at all; leaves the network in eval mode."""
    model.eval()  # stores a flow's constants
    text = yaml.safe_dump(plain_values({"kind": KIND, **asdict(spec)}), sort_keys=False)
    weights = {name: value.contiguous().cpu() for name, value in model.state_dict().items()}
    write_bytes(folder / "model.safetensors", save(weights))
    write_bytes(folder / "model.yaml", text.encode())


def load_dense(folder: str | Path) -> tuple[DenseModel, DenseSpec]:
    """The network that `save_dense` wrote, in eval mode.

    Raises:
        InputError: the folder holds no finished run of a one-stage network, or its files do not belong together.
    """
    folder = Path(folder)
    found: object = None
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        found = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    whole = (folder / "model.safetensors").is_file()
    if not isinstance(found, Mapping) or found.get("kind") != KIND or not whole:
        raise InputError(
            f"expected a run of a one-stage network (model.yaml of kind {KIND} and model.safetensors), found none in"
            f" {str(folder)!r}; name a finished run"
        )
    try:
        spec = _read_spec(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"expected a model description in {folder / 'model.yaml'}, found {' '.join(str(error).split())};"
            " train again"
        ) from None
    model = build_dense(spec)
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # safetensors and torch raise several kinds
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"the weights in {folder} do not fit model.yaml ({reason}); train again") from None
    for module in model.modules():  # straight to eval: the stored constants of a flow are those it was saved with
        module.training = False
    return model, spec


def _read_spec(content: Mapping[str, Any]) -> DenseSpec:
    values = {key: value for key, value in content.items() if key != "kind"}
    size, categories = tuple(map(int, values["image_size"])), tuple(map(str, values["categories"]))
    if len(size) != 2 or min(size) < 1 or not categories:
        raise ValueError(f"image_size {size}, categories {categories}")
    skeleton = None if values["skeleton"] is None else skeleton_from(values["skeleton"])
    backbone = _without_pretrained(values["backbone"])
    return DenseSpec(
        **{**values, "image_size": size, "categories": categories, "skeleton": skeleton, "backbone": backbone}
    )


def _without_pretrained(part: Mapping[str, Any]) -> dict[str, Any]:
    """The weights lie beside the description: nothing is fetched, and no file of weights is read again."""
    arguments = dict(part.get("init_args") or {})
    away = {"pretrained": False, "weights": None}
    return {**part, "init_args": {**arguments, **{name: none for name, none in away.items() if name in arguments}}}
