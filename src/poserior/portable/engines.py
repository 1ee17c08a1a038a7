"""Running a graph: onnxruntime, or OpenVINO on the same file."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poserior.errors import InputError

INPUTS = ("images", "area")
OUTPUTS = ("keypoints", "covariance", "visibility", "confidence")
Shapes = dict[str, tuple[int | None, ...]]


class Engine(ABC):
    """A graph ready to run.

    Attributes:
        metadata: the file's key-value pairs.
        inputs: the inputs' shapes by name, None where a size is free.
        outputs: the outputs' shapes by name.
    """

    metadata: Mapping[str, str]
    inputs: Shapes
    outputs: Shapes

    @abstractmethod
    def run(self, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""


class OnnxRuntime(Engine):
    """A graph on onnxruntime.

    Args:
        path: the ONNX file.
        threads: how many work on one operation; by default every core the process may use.
        providers: onnxruntime's execution providers, the preferred one first; by default CUDA where onnxruntime has it,
            and the CPU.

    Raises:
        InputError: the file is no ONNX graph, or a provider is not there.
    """

    def __init__(self, path: Path, threads: int | None = None, providers: Sequence[str] | None = None) -> None:
        import onnxruntime

        there = onnxruntime.get_available_providers()
        if providers is None:
            providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
        if missing := [name for name in providers if name not in there]:
            raise InputError(
                f"expected execution providers of this onnxruntime ({', '.join(there)}), found {', '.join(missing)};"
                " install the onnxruntime that has it or leave providers out"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.log_severity_level = 3  # errors: warnings tell of its own rewriting
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=list(providers))
        except Exception as error:  # onnxruntime raises several kinds, none of them public
            raise no_graph(path, error) from None
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        self.inputs = {value.name: _shape(value.shape) for value in self._session.get_inputs()}
        self.outputs = {value.name: _shape(value.shape) for value in self._session.get_outputs()}

    def run(self, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self.outputs, self._session.run(list(self.outputs), dict(feed)), strict=True))


class OpenVino(Engine):
    """The same graph on OpenVINO's CPU plugin, in float32: left to itself it takes bfloat16 where it can.

    Args:
        path: the ONNX file.
        threads: how many it may use; by default every core the process may use.

    Raises:
        InputError: openvino is not installed, or the file is no ONNX graph.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import openvino
        except ImportError:
            raise InputError(
                'expected the package openvino, found none; install it with pip install "poserior[openvino]"'
            ) from None
        self.metadata = metadata_of(path)
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or cores(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            self._model = openvino.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as error:
            raise no_graph(path, error) from None
        self.inputs = {value.any_name: _openvino_shape(value) for value in self._model.inputs}
        self.outputs = {value.any_name: _openvino_shape(value) for value in self._model.outputs}

    def run(self, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = self._model(dict(feed))
        return {name: np.array(found[name]) for name in self.outputs}  # copies: the next run writes to the same place


ENGINES = ("onnxruntime", "openvino")


def open_engine(engine: str, path: Path, threads: int | None, providers: Sequence[str] | None) -> Engine:
    """The graph in `path` on the engine of that name.

    Raises:
        InputError: there is no such file, engine, provider or package, or no sensible number of threads.
    """
    if not path.is_file():
        raise InputError(f"expected an exported model at {path}, found no file; write one with `poserior export`")
    if threads is not None and threads < 1:
        raise InputError(f"expected at least 1 thread, found {threads}; give a positive number or leave it out")
    if engine not in ENGINES:
        raise InputError(f"expected the engine {' or '.join(ENGINES)}, found {engine!r}; name one of them")
    if engine == "onnxruntime":
        return OnnxRuntime(path, threads, providers)
    if providers is not None:
        raise InputError("expected providers with onnxruntime only, found them with openvino; leave them out")
    return OpenVino(path, threads)


def metadata_of(path: Path) -> dict[str, str]:
    """The key-value pairs of an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise no_graph(path, error) from None
    return dict(session.get_modelmeta().custom_metadata_map)


def no_graph(path: Path, error: Exception) -> InputError:
    """What to say of a file that an engine cannot open."""
    reason = " ".join(str(error).split())[:200]
    return InputError(f"expected an ONNX model in {path}, found one that cannot be opened ({reason}); export it again")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shape(shape: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _openvino_shape(value: Any) -> tuple[int | None, ...]:
    return tuple(size.get_length() if size.is_static else None for size in value.get_partial_shape())
