"""Parts by name: from a class's name and arguments to the thing itself, arguments checked against the signature."""

from collections.abc import Mapping
from typing import Any, TypeVar

from jsonargparse import ArgumentError, ArgumentParser

from poserior.errors import InputError

T = TypeVar("T")


def build(part: Mapping[str, Any], base: type[T], role: str) -> T:
    """The instance that ``{class_path, init_args}`` describes.

    Args:
        part: ``class_path`` is the bare name of an imported subclass of `base`, or any importable dotted path.
        base: what it must be.
        role: what it is in the configuration, for messages.

    Raises:
        InputError: the class is unknown or its arguments do not fit.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument(f"--{role}", type=base, required=True)
    try:
        namespace = parser.parse_object({role: dict(part)})
    except ArgumentError as error:
        raise InputError(f"expected a usable {role}, found {dict(part)}: {' '.join(str(error).split())}") from None
    built: T = parser.instantiate(namespace)[role]
    return built
