"""People's boxes from any of torchvision's detectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import detection, get_model, get_model_weights, list_models

from poserior.errors import InputError
from poserior.pictures import PictureBoxes

PERSON = 1  # in COCO's categories and in a detector of nothing but people; 0 is the background


class Detector:
    """A torchvision detector as a function from pictures to the boxes of the people in them.

    Args:
        name: one of ``torchvision.models.list_models(module=torchvision.models.detection)``.
        weights: ``"DEFAULT"`` for torchvision's own (COCO), downloaded once into torch's cache; or the file of a state
            dict, ``.safetensors`` or torch's format (read as plain tensors), whose category 1 is a person; the number
            of categories is read from it. None for random weights, with the background and people: to train from.
        device: where to run; by default a GPU if there is one.
        threshold: boxes with a lower score are left out.
        options: passed on to torchvision's builder, e.g. ``min_size=480``.

    Attributes:
        model: torchvision's module, in eval mode; its state dict is what `weights` takes.

    Raises:
        InputError: torchvision has no such detector, or the weights cannot be had or do not fit.
    """

    def __init__(
        self,
        name: str = "fasterrcnn_mobilenet_v3_large_320_fpn",
        weights: str | Path | None = None,
        device: torch.device | str | None = None,
        threshold: float = 0.5,
        **options: Any,
    ) -> None:
        known = list_models(module=detection)
        if name not in known:
            raise InputError(f"expected one of torchvision's detectors ({', '.join(known)}), found {name!r}")
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.threshold = threshold
        self.model: nn.Module = _build(name, weights, options).eval().to(self.device)

    @torch.no_grad()
    def __call__(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> list[PictureBoxes]:
        """The people in each picture, best first.

        Args:
            images: RGB of 0..255, of any sizes; one batch.

        Returns:
            Per picture the boxes in its pixels; `image_id` is the picture's place in the list.

        Raises:
            InputError: an image is of another shape or type.
        """
        for n, image in enumerate(images):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
                raise InputError(
                    f"expected image {n} as RGB of shape (H, W, 3) and type uint8, found shape {image.shape} and type"
                    f" {image.dtype}; convert it"
                )
        if not images:
            return []
        found = self.model([_tensor(image).to(self.device) for image in images])
        return [self._people(n, boxes) for n, boxes in enumerate(found)]

    def _people(self, number: int, found: Mapping[str, Tensor]) -> PictureBoxes:
        keep = (found["labels"] == PERSON) & (found["scores"] >= self.threshold)
        box_xyxy, score = found["boxes"][keep].float(), found["scores"][keep].float()
        extended = (box_xyxy[:, 2:] > box_xyxy[:, :2]).all(1)
        order = score[extended].argsort(descending=True, stable=True)
        return PictureBoxes(number, box_xyxy[extended][order].cpu().numpy(), score[extended][order].cpu().numpy())


def _tensor(image: UInt8[np.ndarray, "H W 3"]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


def _build(name: str, weights: str | Path | None, options: Mapping[str, Any]) -> Any:
    try:
        if weights is None:
            return get_model(name, weights=None, weights_backbone=None, num_classes=2, **options)
        if str(weights) == "DEFAULT":
            return _published(name, options)
        content = _read(Path(weights))
        classes = _num_classes(name, content, options)
        model = get_model(name, weights=None, weights_backbone=None, num_classes=classes, **options)
    except TypeError as error:
        raise InputError(f"the detector {name} does not take these options: {error}; correct them") from None
    try:
        model.load_state_dict(content)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"expected weights of {name} in {weights}, found others ({reason}); name their model"
        ) from None
    return model


def _published(name: str, options: Mapping[str, Any]) -> Any:
    try:
        return get_model(name, weights="DEFAULT", **options)
    except (OSError, RuntimeError) as error:  # no network; half a file
        url = get_model_weights(name)["DEFAULT"].url
        raise InputError(
            f"expected the weights of {name} in torch's cache or from the network, found neither ({error}); download"
            f" {url} elsewhere and pass its file as the weights, or put it into {torch.hub.get_dir()}/checkpoints"
        ) from None


def _read(path: Path) -> dict[str, Tensor]:
    """A state dict, alone or under ``model`` as torchvision's training script saves it."""
    if not path.is_file():
        raise InputError(f"expected a file of a detector's weights, found none at {path}; correct the path")
    try:
        content: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # the readers have no common kind of error
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"expected plain weights in {path}, could not read them ({reason}); save model.state_dict()"
        ) from None
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"expected a state dict of tensors in {path}, found something else; save model.state_dict()")
    return dict(content)


def _num_classes(name: str, content: Mapping[str, Tensor], options: Mapping[str, Any]) -> int:
    """How many categories a state dict has: from a tensor whose length grows with their number."""
    with torch.device("meta"):
        two, three = (
            get_model(name, weights=None, weights_backbone=None, num_classes=n, **options).state_dict() for n in (2, 3)
        )
    for key, tensor in two.items():
        step = len(three[key]) - len(tensor) if tensor.dim() else 0
        if step:
            extra = len(content[key]) - len(tensor) if key in content and content[key].dim() else 0
            return max(2 + extra // step, 1)
    return 2
