"""Operations of torch that the exporter does not know, or knows too roughly, written in ONNX's."""

from collections.abc import Callable
from typing import Any

TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
