"""The whole idea: a backbone, a head that returns a density, a calibrator that says what it is worth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from jaxtyping import Float
from safetensors.torch import load_file, save
from torch import Tensor, nn

from poserior import calibration, heads
from poserior.backbones import Backbone
from poserior.calibration import Calibrator, Recalibration, Regions
from poserior.distributions import Distribution, GaussianKernel
from poserior.errors import InputError
from poserior.geometry import BOX_TO_AREA, box_area
from poserior.skeletons import Skeleton
from poserior.structures import Target
from poserior.whole_files import write_bytes

VISIBILITY_WEIGHT = 0.02  # of the visibility's cross-entropy beside the pose (CCNet, supplement B)


class Model(nn.Module, ABC):
    """What evaluation and prediction ask of a model: a density, and what it is worth."""

    @abstractmethod
    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Distribution:
        """The predicted densities, ``batch_shape (B, K)``, of RGB crops in [0, 1]."""

    @abstractmethod
    def predict(self, images: Float[Tensor, "B 3 H W"], mirror: Skeleton | None = None) -> tuple[Distribution, Any]:
        """The densities, fused with the mirrored crops' if the skeleton to mirror is given; and what `judge` needs."""

    @abstractmethod
    def judge(
        self, distribution: Distribution, features: Any, widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """Confidence and visibility of the keypoints, in [0, 1].

        Args:
            distribution: the density that is answered with.
            features: what `predict` gave beside it.
            widths: the OKS kernel's, see `poserior.geometry.oks_widths`; they take the object's area for
                `ModelSpec.area_per_box` of its box.
        """

    def area_share(self, features: Any) -> Float[Tensor, "B"] | None:  # noqa: ARG002  # a model need not know
        """The share of its box that each object's area is predicted to be; None if the model does not predict it.

        Args:
            features: what `predict` gave beside the density.
        """
        return None


class Regressor(Model):
    """Pictures of people to densities of their keypoints.

    Args:
        backbone: pictures to features.
        head: features to a density in crop-normalised coordinates.
        calibrator: density and features to confidence and visibility; None if only densities are wanted.
        recalibration: the predicted density to one whose regions cover what they say, fitted after training.
        regions: the sizes of regions with guaranteed coverage, fitted after training.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: heads.Head,
        calibrator: Calibrator | None = None,
        recalibration: Recalibration | None = None,
        regions: Regions | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.head, self.calibrator = backbone, head, calibrator
        self.recalibration, self.regions = recalibration, regions

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Distribution:
        return self.predict(images)[0]

    def predict(self, images: Float[Tensor, "B 3 H W"], mirror: Skeleton | None = None) -> tuple[Distribution, Any]:
        if mirror is not None:
            distribution, features = flip_fused(self, images, mirror)
        else:
            features = self.backbone(images)
            distribution = self.head(features)
        return (distribution if self.recalibration is None else self.recalibration(distribution)), features

    def judge(
        self, distribution: Distribution, features: Any, widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """The calibrator's verdict; without one the expected OKS at the mode, and every keypoint counts as visible."""
        if self.calibrator is None:
            confidence = distribution.expectation(GaussianKernel(distribution.mode, widths))
            return confidence, torch.ones_like(confidence)
        shown = self.head.penultimate(features) if self.calibrator.looks_at == "head" else features
        verdict: tuple[Tensor, Tensor] = self.calibrator(distribution, shown, widths)
        return verdict

    def area_share(self, features: Any) -> Float[Tensor, "B"] | None:
        """The calibrator's."""
        return None if self.calibrator is None else self.calibrator.area_share(features)

    def loss(self, images: Float[Tensor, "B 3 H W"], target: Target) -> Float[Tensor, ""]:
        """The head's loss, summed over the labelled keypoints and divided by B (RLE's convention: not by K).

        The calibrator's own loss (visibility, area) is added with weight 0.02; its gradient stops at the features.
        """
        features = self.backbone(images)
        per_keypoint = self.head.labelled_loss(self.head(features), target.keypoints, target.labelled)
        loss = per_keypoint.sum() / len(images)
        if self.calibrator is not None:
            share = (target.area / box_area(target.box_xyxy)).to(per_keypoint)
            loss = loss + VISIBILITY_WEIGHT * self.calibrator.loss(features, target.visibility, share)
        return loss


def flip_fused(
    model: Regressor, images: Float[Tensor, "B 3 H W"], skeleton: Skeleton
) -> tuple[Distribution, Float[Tensor, "B C h w"]]:
    """The flip test on densities: the equal mixture of the picture's density and the mirror image's, mirrored back.

    Averaging coordinates would hide that the two disagree; the mixture's spread shows it. Whole poses stay whole.

    Returns:
        The mixture and the features of the picture itself.
    """
    features = model.backbone(torch.cat([images, images.flip(-1)]))
    both: Distribution = model.head(features)
    count = images.shape[0]  # not len, which would tie an exported graph to the number of crops
    plain, mirrored = both[:count], both[count:][:, list(skeleton.flip_indices)]
    sign = torch.ones(both.event_shape, dtype=images.dtype, device=images.device)
    sign[0] = -1
    return model.head.fuse([plain, mirrored.affine(sign, torch.zeros_like(sign))]), features[:count]


@dataclass(frozen=True)
class ModelSpec:
    """Everything needed to build a `Regressor` again: plain values, stored beside the weights.

    Attributes:
        backbone: arguments of `Backbone`.
        head: ``{"class_path": name in poserior.heads, "init_args": {...}}``.
        skeleton: what the keypoints are.
        image_size: the crop's ``(H, W)``.
        box_padding: how much larger than the box the crop is.
        area_per_box: the mean share of a person's box that the object's area is, in the training data; it stands in
            for the area where only a box is known and the calibrator does not predict it. 0.53 is COCO's.
        calibrator: ``{"class_path": name in poserior.calibration, "init_args": {...}}``, the confidence.
        recalibration: the same for the density's own calibration; none before `poserior calibrate`.
        regions: the same for regions with guaranteed coverage.
        fitted_on: what each of these was fitted on after training, by its field's name: data, people, date, settings.
    """

    backbone: Mapping[str, Any]
    head: Mapping[str, Any]
    skeleton: Skeleton
    image_size: tuple[int, int]
    box_padding: float = 1.25
    area_per_box: float = BOX_TO_AREA
    calibrator: Mapping[str, Any] = field(default_factory=lambda: {"class_path": "ExpectedOks", "init_args": {}})
    recalibration: Mapping[str, Any] | None = None
    regions: Mapping[str, Any] | None = None
    fitted_on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def expected_area(self, box_xyxy: Float[Tensor, "*B 4"]) -> Float[Tensor, "*B"]:
        """What the objects' areas are taken for where only their boxes are known."""
        return self.area_per_box * box_area(box_xyxy)


def build_model(spec: ModelSpec) -> Regressor:
    """A fresh model; the backbone is told the crop's size (vision transformers need it).

    Raises:
        InputError: no such head or backbone, or it does not take these arguments.
    """
    head_class = _head_class(str(spec.head.get("class_path", "")))
    backbone = Backbone(**{"image_size": tuple(spec.image_size), **spec.backbone})
    try:
        head = head_class(backbone.out_channels, spec.skeleton.num_keypoints, **spec.head.get("init_args", {}))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"head {head_class.__name__} does not take these arguments: {error}; correct head.init_args"
        ) from None
    num_keypoints = spec.skeleton.num_keypoints
    return Regressor(
        backbone,
        head,
        calibration_part(spec.calibrator, Calibrator, backbone.out_channels, num_keypoints),
        calibration_part(spec.recalibration, Recalibration, num_keypoints),
        calibration_part(spec.regions, Regions, num_keypoints),
    )


def calibration_part(part: Mapping[str, Any] | None, kind: type[nn.Module], *sizes: int) -> Any:
    """One part of `poserior.calibration` by its description.

    Args:
        part: ``{"class_path": ..., "init_args": {...}}``; None for no part.
        kind: the contract it has to keep.
        sizes: its first arguments.

    Raises:
        InputError: there is no such part, or it does not take these arguments.
    """
    if part is None:
        return None
    name = str(part.get("class_path", ""))
    found = getattr(calibration, name) if name in calibration.__all__ else None
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise InputError(f"expected a {kind.__name__} of poserior.calibration, found {name!r}; correct class_path")
    try:
        return found(*sizes, **part.get("init_args", {}))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} does not take these arguments: {error}; correct its init_args") from None


def _head_class(path: str) -> type[heads.Head]:
    """A head of the library by its name, or one's own by its dotted path."""
    module, _, name = path.rpartition(".")
    found: object = None
    if module in ("", "poserior.heads"):
        found = getattr(heads, name) if name in heads.__all__ and name != "Head" else None
    else:
        try:
            found = getattr(import_module(module), name, None)
        except ImportError:
            found = None
    if not (isinstance(found, type) and issubclass(found, heads.Head)):
        known = ", ".join(sorted(set(heads.__all__) - {"Head"}))
        raise InputError(
            f"expected a head of poserior.heads ({known}) or the dotted path of one's own, found {path!r};"
            " correct head.class_path"
        )
    return found


def save_model(model: Regressor, spec: ModelSpec, folder: Path) -> None:
    """Write ``model.yaml`` and ``model.safetensors``, each whole or not at all; leaves the model in eval mode."""
    model.eval()  # stores a flow's constants
    content = asdict(spec)
    content["image_size"] = list(spec.image_size)
    content["backbone"] = {**content["backbone"], "pretrained": False}
    text = yaml.safe_dump(plain_values(content), sort_keys=False)
    weights = {name: value.contiguous().cpu() for name, value in model.state_dict().items()}
    write_bytes(folder / "model.safetensors", save(weights))
    write_bytes(folder / "model.yaml", text.encode())


def load_model(folder: Path) -> tuple[Regressor, ModelSpec]:
    """The model that `save_model` wrote, in eval mode.

    Raises:
        InputError: the folder holds no finished run, or its files do not belong together.
    """
    for name in ("model.yaml", "model.safetensors"):
        if not (folder / name).is_file():
            raise InputError(f"expected a run folder with {name}, found none in {str(folder)!r}; name a finished run")
    try:
        spec = _read_spec(yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8")))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"expected a model description in {folder / 'model.yaml'},"
            f" found {' '.join(str(error).split())}; train again"
        ) from None
    model = build_model(spec)
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # safetensors and torch raise several kinds
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"the weights in {folder} do not fit model.yaml ({reason}); train again") from None
    # Straight to eval: the stored constants of a flow are those it was saved with.
    for module in model.modules():
        module.training = False
    return model, spec


def _read_spec(content: Mapping[str, Any]) -> ModelSpec:
    parts = ("backbone", "head", "calibrator", "recalibration", "regions", "fitted_on")
    wrong = [part for part in parts if not isinstance(content.get(part), Mapping | None)]
    if wrong or not isinstance(content["backbone"]["name"], str) or not isinstance(content["head"], Mapping):
        raise ValueError(f"no mapping or no name under {', '.join(wrong) or 'backbone, head'}")
    size = tuple(map(int, content["image_size"]))
    padding, area = float(content.get("box_padding", 1.25)), float(content.get("area_per_box", BOX_TO_AREA))
    if len(size) != 2 or min(size) < 8 or not (0 < padding < 100 and 0 < area < 100):
        raise ValueError(f"image_size {size}, box_padding {padding:g}, area_per_box {area:g}")
    backbone = {**content["backbone"], "pretrained": False}  # the weights lie beside it: nothing is fetched
    skeleton = skeleton_from(content["skeleton"])
    return ModelSpec(**{**content, "skeleton": skeleton, "image_size": size, "backbone": backbone})


def skeleton_from(content: Mapping[str, Any]) -> Skeleton:
    """The skeleton that a model's description holds."""
    return Skeleton(
        name=content["name"],
        keypoints=tuple(content["keypoints"]),
        edges=tuple((int(a), int(b)) for a, b in content["edges"]),
        flip_pairs=tuple((a, b) for a, b in content["flip_pairs"]),
        oks_sigmas=tuple(content["oks_sigmas"]),
        upper_body=tuple(content["upper_body"]),
        parts=tuple((part, tuple(points)) for part, points in content.get("parts", ())),  # older files have none
    )


def plain_values(value: Any) -> Any:
    """Tuples to lists, mappings to dicts: what YAML's safe form can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain_values(entry) for entry in value]
    return value
