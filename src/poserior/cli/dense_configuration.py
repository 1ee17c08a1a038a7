"""The configuration of a one-stage network's training as command-line options, see `poserior.cli.configuration`."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser  # type: ignore[attr-defined]  # missing from its __all__

from poserior.cli.configuration import add_option, plain_options
from poserior.errors import InputError
from poserior.training.config import RECORDS

if TYPE_CHECKING:
    from poserior.dense.config import DenseConfig

KIND = "dense"


def asks_for_dense(words: Sequence[str]) -> bool:
    """Whether a command line is about a one-stage network: by ``--model dense``, or by what its file says.

    >>> asks_for_dense(["--model", "dense"]), asks_for_dense(["--seed", "1"])
    (True, False)
    """
    if KIND in _values(words, "--model"):
        return True
    return any(_model_of(Path(path)) == KIND for path in _values(words, "--config"))


def _values(words: Sequence[str], option: str) -> Iterator[str]:
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word == option:
            yield following
        elif word.startswith(f"{option}="):
            yield word.removeprefix(f"{option}=")


def _model_of(path: Path) -> Any:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None  # the options' own reader says what is wrong with it
    return content.get("model") if isinstance(content, dict) else None


def add_dense_configuration(parser: ArgumentParser) -> None:
    """Give `parser` the options of a `DenseConfig`."""
    from poserior.backbones.dense_base import DenseBackbone
    from poserior.datasets.scene_base import SceneDataset
    from poserior.dense.config import DenseConfig
    from poserior.dense.heads import DenseHead
    from poserior.dense.losses import LossWeights
    from poserior.transforms import SceneAugment

    parser.add_argument(
        "--config", action=ActionConfigFile, metavar="FILE", help="YAML file with any of the options below"
    )
    parser.add_argument("--model", type=Literal["dense"], default=KIND, help="a one-stage network")
    # two arguments come later: the number of feature channels, and the keypoints' factors
    head = Callable[[int, Sequence[float]], DenseHead]
    parser.add_argument("--head", type=head, metavar="NAME", help="density in every cell, e.g. DenseMixture")
    parser.add_argument("--backbone", type=DenseBackbone, metavar="NAME", help="network, e.g. Upsampled")
    parser.add_argument("--train_data", type=SceneDataset, metavar="NAME", help="data set of pictures to learn from")
    parser.add_argument("--val_data", type=SceneDataset | None, metavar="NAME", help="data set to check on")
    defaults = DenseConfig(head={"class_path": "", "init_args": {}}, backbone={"class_path": "", "init_args": {}})
    add_option(parser, defaults, "image_size", tuple[int, int], "[H,W]", "height and width that the network sees")
    add_option(parser, defaults, "boxes_only", bool, "BOOL", "learn boxes alone, though the data has keypoints")
    add_option(parser, defaults, "refine", bool, "BOOL", "learn keypoint heat and offsets, for refinement")
    add_option(parser, defaults, "channels", int, "N", "of each branch's hidden layer")
    add_option(parser, defaults, "max_objects", int, "N", "of a training picture")
    add_option(parser, defaults, "fraction", float, "R", "of the training pictures that are learnt from")
    add_option(parser, defaults, "warm_start", str | None, "DIR", "another run, whose backbone's weights are the start")
    add_option(parser, defaults, "seed", int, "N", "seed of weights, order and augmentation")
    add_option(parser, defaults, "tensorboard", bool | None, "BOOL", "TensorBoard's event files (null: if installed)")
    add_option(parser, defaults, "logger", dict[str, Any] | None, "PART", "a Lightning logger: {class_path, init_args}")
    for name, record in RECORDS.items():
        parser.add_argument(f"--{name}", type=record, default=getattr(defaults, name))
    parser.add_argument("--loss_weights", type=LossWeights, default=defaults.loss_weights)
    parser.add_argument("--augment", type=SceneAugment, default=SceneAugment())


def read_dense_configuration(args: Namespace) -> "DenseConfig":
    """The `DenseConfig` that parsed options describe.

    Raises:
        InputError: no file was given, or it lacks a head, a backbone or training data.
    """
    from poserior.dense.config import DenseConfig

    if not args.config:
        raise InputError("expected --config FILE, found none; start from one of the project's configs/dense_*.yaml")
    plain = plain_options(args, DenseConfig.__dataclass_fields__)
    for key in ("head", "backbone", "train_data"):
        if plain[key] is None:
            raise InputError(f"expected {key} in the configuration, found none; add it to {args.config[-1]}")
    return DenseConfig.from_dict(plain)
