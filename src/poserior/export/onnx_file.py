"""A run as one ONNX file, checked against the model it was made from."""

import contextlib
import io
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from poserior.errors import InputError
from poserior.export.graph import Graph
from poserior.export.metadata import KEY, metadata
from poserior.export.translations import TRANSLATIONS
from poserior.models import ModelSpec, Regressor, load_model

OPSET = 20
EXAMPLES = 7
"""Crops that the model is followed on: few, and rarely the number of anything else."""

PARITY = 1e-2
"""Crop pixels by which the file's keypoints may differ from the model's before it is refused.

Some 1e-5 are usual. A deep network whose answers are large, an untrained one for example, rounds to a few 1e-4 in
single precision; what goes beyond a hundredth is another answer, not rounding.
"""

FUSED = 1e-1
"""The same with the flip test: the peak of two fused densities is searched for by their values, and near a flat peak
rounding decides among points some thousandths of a pixel apart."""

NEAR = 1e-3
"""By how much its other answers may: covariances as a share of themselves, confidences as they are."""


class Exported(NamedTuple):
    """A file that was written.

    Attributes:
        path: where.
        size: bytes.
        difference: the largest difference from the model's keypoints that was seen, in crop pixels.
    """

    path: Path
    size: int
    difference: float


def export_onnx(run_dir: str | Path, output: str | Path, flip_test: bool = False) -> Path:
    """Write a run's model as an ONNX file; docs/export.md tells what is in it and how to run it.

    Args:
        run_dir: the run's folder.
        output: the file, ``.onnx``; one that is there already is replaced.
        flip_test: build the flip test in: every density fused with the mirrored crop's (twice the work).

    Returns:
        The file.

    Raises:
        InputError: the folder is no run, the file cannot be written, the model cannot be exported, or the file's
            answers differ from the model's.
    """
    output = checked_output(output)
    return export_model(*load_model(Path(run_dir)), output, flip_test).path


def checked_output(output: str | Path) -> Path:
    """The path of a file that could be written.

    Raises:
        InputError: it does not end in ``.onnx``, or is a folder.
    """
    output = Path(output)
    if output.suffix != ".onnx":
        raise InputError(f"expected an output file that ends in .onnx, found {str(output)!r}; rename it")
    if output.is_dir():
        raise InputError(f"expected a file to write at {output}, found a folder; choose another name")
    return output


def export_model(model: Regressor, spec: ModelSpec, output: Path, flip_test: bool = False) -> Exported:
    """Write a model as an ONNX file; see `export_onnx`.

    Args:
        model: in eval mode, on the CPU.
        spec: what it was built from.
        output: the file.
        flip_test: build the flip test in.

    Raises:
        InputError: see `export_onnx`.
    """
    if model.head.dim != 2:
        raise InputError(
            f"expected a head of 2-D keypoints, found one of {model.head.dim}-D: the confidence and the crop know two"
            " axes; export a 2-D run"
        )
    graph = Graph(model, spec, flip_test).eval()
    program = _translated(graph, spec)
    program.model.metadata_props[KEY] = json.dumps(metadata(model, spec, flip_test))
    with beside(output) as folder:
        path = folder / output.name
        program.save(path)
        _check_model(path)
        found = differences(path, graph, spec.image_size)
        for name, difference in found.items():
            pixels = FUSED if flip_test else PARITY
            limit, unit = (pixels, " crop pixels") if name == "keypoints" else (NEAR, "")
            if not difference <= limit:
                raise InputError(
                    f"expected the file's {name} within {limit:g}{unit} of the model's, found {difference:.2g} apart;"
                    " predict with the run's folder"
                )
        size = sum(part.stat().st_size for part in folder.iterdir())
        for part in sorted(folder.iterdir(), key=lambda part: part == path):  # large weights first, the file last
            part.replace(output.parent / part.name)
    return Exported(output, size, found["keypoints"])


def differences(path: Path, graph: Graph, image_size: tuple[int, int]) -> dict[str, float]:
    """How far the file's answers are off, over random crops in batches of one and of several; NaN where one is NaN.

    Args:
        path: the ONNX file.
        graph: what it was made from.
        image_size: the crop's ``(H, W)``.

    Returns:
        The largest difference of every output: keypoints' in crop pixels, covariances' as a share of the keypoint's
        largest entry, the others' as they are.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = dict.fromkeys(graph.outputs, 0.0)
    for count in (1, 3):
        images, area = _crops(image_size, count)
        with torch.no_grad():
            expected = [part.double().numpy() for part in graph(images, area)]
        found = session.run(list(graph.outputs), {"images": images.numpy(), "area": area.numpy()})
        for name, ours, theirs in zip(graph.outputs, expected, found, strict=True):
            unit = np.ones(1)
            if name == "keypoints":
                unit = 1 / np.array([image_size[1], image_size[0]])
            elif name == "covariance":
                unit = np.abs(ours).max((-2, -1), keepdims=True)
            with np.errstate(invalid="ignore"):  # infinity is as infinity does
                apart = np.where(ours == theirs, 0.0, np.abs(theirs - ours) / unit)
            worst[name] = float(np.maximum(worst[name], apart.max()))
    return worst


def _crops(image_size: tuple[int, int], count: int) -> tuple[Tensor, Tensor]:
    """Blotches of colour and objects of a fifth of the crop; always the same."""
    generator = torch.Generator().manual_seed(count)
    blotches = torch.rand(count, 3, 8, 6, generator=generator)
    images = torch.nn.functional.interpolate(blotches, size=tuple(image_size), mode="bilinear")
    area = torch.rand(count, generator=generator) + 0.5
    return (images * 255).to(torch.uint8), area * (0.2 * image_size[0] * image_size[1])


def _translated(graph: Graph, spec: ModelSpec) -> Any:
    images, area = _crops(spec.image_size, EXAMPLES)
    with torch.no_grad():
        graph(images, area)  # constants that are found once must be found before the exporter looks on
    batch = torch.export.Dim("batch")
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                graph,
                (images, area),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images", "area"],
                output_names=list(graph.outputs),
                dynamic_shapes={"images": {0: batch}, "area": {0: batch}},
                custom_translation_table=TRANSLATIONS,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        raise _refusal(graph, _reason(error)) from error
    assert program is not None
    shape = program.model.graph.inputs[0].shape
    if shape is None or isinstance(shape[0], int):  # the exporter's last resort is to fix all sizes
        raise _refusal(graph, "its operations depend on the number of crops")
    for node in program.model.graph.all_nodes():  # they name the places of this installation's source files
        node.metadata_props.clear()
    return program


def _refusal(graph: Graph, reason: str) -> InputError:
    head = type(graph.model.head).__name__
    return InputError(
        f"expected a model whose answers are a fixed sequence of operations, found that {head} is none ({reason});"
        " predict with the run's folder"
    )


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _check_model(path: Path) -> None:
    import onnx

    onnx.checker.check_model(str(path), full_check=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks of its progress and of torch's own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def beside(output: Path) -> Iterator[Path]:
    """A folder beside the output that is gone afterwards."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
    except OSError as error:
        raise InputError(
            f"expected a folder to write {output.name} in at {output.parent}, found {error.strerror}; choose another"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
