"""The training configuration as command-line options: a YAML file first, typed options over it."""

from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser  # type: ignore[attr-defined]  # missing from its __all__

from poserior.errors import InputError
from poserior.training.config import Backbone, Budget, Checkpoint, Config, Hardware, Loader, Optimiser, Part


def add_configuration(parser: ArgumentParser) -> None:
    """Give `parser` the options of a `Config`.

    A head or data set is one typed base class with subclasses, never a union: an option such as
    ``--head.init_args.couplings 4`` then changes that one value and keeps all the file's others.
    """
    from poserior.datasets import KeypointDataset
    from poserior.heads import Head
    from poserior.transforms import Augment

    parser.add_argument(
        "--config", action=ActionConfigFile, metavar="FILE", help="YAML file with any of the options below"
    )
    # two integers come later: the number of feature channels and of keypoints
    head = Callable[[int, int], Head]
    parser.add_argument("--head", type=head, metavar="NAME", help="head, e.g. RLE")
    parser.add_argument("--train_data", type=KeypointDataset, metavar="NAME", help="data set to learn from")
    parser.add_argument("--val_data", type=KeypointDataset | None, metavar="NAME", help="data set to check on")
    defaults = Config(head={"class_path": "", "init_args": {}})
    add_option(parser, defaults, "image_size", tuple[int, int], "[H,W]", "height and width of the crops")
    add_option(parser, defaults, "box_padding", float, "R", "how much larger than a person's box the crop is")
    add_option(parser, defaults, "warm_start", str | None, "DIR", "another run, whose backbone's weights are the start")
    add_option(parser, defaults, "seed", int, "N", "seed of weights, order and augmentation")
    add_option(parser, defaults, "tensorboard", bool | None, "BOOL", "TensorBoard's event files (null: if installed)")
    add_option(parser, defaults, "logger", dict[str, Any] | None, "PART", "a Lightning logger: {class_path, init_args}")
    for record in (Backbone, Optimiser, Budget, Checkpoint, Loader, Hardware):
        name = record.__name__.lower()
        parser.add_argument(f"--{name}", type=record, default=getattr(defaults, name))
    parser.add_argument("--augment", type=Augment, default=Augment())


def read_configuration(args: Namespace, head: Part | None = None) -> Config:
    """The `Config` that parsed options describe.

    Args:
        args: what the parser found.
        head: instead of the options' own head.

    Raises:
        InputError: no file was given, or it lacks a head or training data.
    """
    if not args.config:
        raise InputError("expected --config FILE, found none; start from one of the project's configs/*.yaml")
    plain = plain_options(args, Config.__dataclass_fields__)
    plain["head"] = plain["head"] if head is None else head
    for key in ("head", "train_data"):
        if plain[key] is None:
            raise InputError(f"expected {key} in the configuration, found none; add it to {args.config[-1]}")
    return Config.from_dict(plain)


def run_folder(args: Namespace) -> Path:
    """``--output``, or ``runs/NAME`` after the configuration file's name."""
    return Path(args.output or Path("runs") / Path(str(args.config[-1])).stem)


def plain_options(args: Namespace, keys: Iterable[str]) -> dict[str, Any]:
    """Parsed options as plain values."""
    return {key: _plain(args[key]) for key in keys}  # type: ignore[index]  # jsonargparse's Namespace is a mapping


def _plain(value: Any) -> Any:
    """Namespaces to dictionaries, paths to text."""
    if isinstance(value, Namespace):
        return {key: _plain(item) for key, item in vars(value).items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def add_option(parser: ArgumentParser, defaults: Any, name: str, kind: Any, metavar: str, text: str) -> None:
    """A typed option ``--name``, with the default that the record `defaults` has."""
    parser.add_argument(f"--{name}", type=kind, default=getattr(defaults, name), metavar=metavar, help=text)
