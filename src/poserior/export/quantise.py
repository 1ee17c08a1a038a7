"""An exported file with 8-bit integers in its backbone; head and density stay in float."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from poserior.errors import InputError
from poserior.export.metadata import KEY
from poserior.export.onnx_file import beside, checked_output

if TYPE_CHECKING:
    import onnx

WEIGHTED = ("Conv", "Gemm", "MatMul")
BETWEEN = ("Relu", "Clip", "MaxPool", "Add", "Concat")
"""What stays in integers between two layers that are: without these every layer would convert there and back."""

BACKBONE = ".backbone."
"""Part of the names of the backbone's weights."""


def quantise(
    onnx_path: str | Path, output: str | Path, crops: UInt8[np.ndarray, "N H W 3"], batch_size: int = 8
) -> Path:
    """Write an exported model anew with an 8-bit backbone (static quantisation, one scale per channel of a weight).

    Layers of the backbone multiply bytes; their ranges are those seen on `crops`. The head's layers and all that
    follows, the density's arithmetic above all, stay in float: their errors would go straight into the predicted
    scales. The metadata stay, with the number of crops under ``quantised``. The file is about a quarter as large.
    Coordinates, spreads and confidences all move a little: measure them before use (``poserior export --int8`` does).

    Args:
        onnx_path: a file of `export_onnx` in float.
        output: the file to write, ``.onnx``.
        crops: people cut out as for prediction, RGB 0..255; some 32 to 128 of the kind that will come.
        batch_size: crops per pass.

    Returns:
        The new file.

    Raises:
        InputError: there is no such file, it is quantised already or no file of `export_onnx`, it has no layers to
            quantise, or the crops are none or of another size.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference

    onnx_path, output = Path(onnx_path), checked_output(output)
    model, description = _opened(onnx_path)
    _check_crops(crops, tuple(description["image_size"]))
    layers = backbone_nodes(model)
    if not any(node.op_type in WEIGHTED for node in layers):
        raise InputError(f"expected layers of a backbone in {onnx_path}, found none; keep the file in float")
    with beside(output) as folder:
        prepared, path = folder / "prepared.onnx", folder / output.name
        shape_inference.quant_pre_process(model, str(prepared), skip_optimization=True, skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(path),
            _Crops(crops, batch_size, [value.name for value in model.graph.input]),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=[*WEIGHTED, *BETWEEN],
            nodes_to_quantize=[node.name for node in layers],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        prepared.unlink()
        written = onnx.load(path)
        del written.metadata_props[:]
        properties = {KEY: json.dumps({**description, "quantised": {"bits": 8, "crops": len(crops)}})}
        onnx.helper.set_model_props(written, properties)
        onnx.save(written, path)
        path.replace(output)
    return output


def backbone_nodes(model: "onnx.ModelProto") -> "list[onnx.NodeProto]":
    """The nodes that get quantised: the backbone's weighted layers, and what lies between them.

    A layer belongs to the backbone if its answer reaches a weight that is named so, or if its own is.
    """
    constants = {value.name for value in model.graph.initializer}
    below: set[str] = set()  # values that the backbone computes or starts from
    weighted: set[str] = set()
    for node in reversed(model.graph.node):
        if below.intersection(node.output) or any(BACKBONE in name for name in node.input if name in constants):
            below.update(name for name in node.input if name not in constants)
            if node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in constants:
                weighted.add(node.name)
    chosen: list[onnx.NodeProto] = []
    made: set[str] = set()
    for node in model.graph.node:  # in an order in which inputs come first
        inner = [name for name in node.input if name and name not in constants]
        between = node.op_type in BETWEEN and bool(inner) and made.issuperset(inner)
        if node.name in weighted or between:
            chosen.append(node)
            made.update(node.output)
    return chosen


def _opened(path: Path) -> "tuple[onnx.ModelProto, dict[str, Any]]":
    import onnx

    if not path.is_file():
        raise InputError(f"expected an exported model at {path}, found no file; write one with `poserior export`")
    try:
        model = onnx.load(path)
        description = json.loads({entry.key: entry.value for entry in model.metadata_props}[KEY])
        height, width = description["image_size"]
    except Exception:  # protobuf's own kinds, and metadata that are missing or something else
        raise InputError(
            f"expected a model that `poserior export` wrote in {path}, found something else; export the run"
        ) from None
    if "quantised" in description:
        raise InputError(f"expected a model in float in {path}, found a quantised one; give the file it was made from")
    return model, {**description, "image_size": [int(height), int(width)]}


def _check_crops(crops: np.ndarray, image_size: tuple[int, ...]) -> None:
    if len(crops) == 0 or crops.shape[1:3] != image_size:
        found = "none" if len(crops) == 0 else f"crops of {crops.shape[1]} x {crops.shape[2]}"
        raise InputError(
            f"expected calibration crops of {image_size[0]} x {image_size[1]}, found {found}; cut out people as for"
            " prediction"
        )


class _Crops:
    """A calibration reader: batches of the graph's inputs, then None."""

    def __init__(self, crops: np.ndarray, batch_size: int, inputs: list[str]) -> None:
        self._crops, self._batch_size, self._inputs = crops, batch_size, inputs
        self._batches = self._again()

    def _again(self) -> Iterator[dict[str, np.ndarray]]:
        for first in range(0, len(self._crops), self._batch_size):
            images = self._crops[first : first + self._batch_size].transpose(0, 3, 1, 2)
            # What the object's area is does not matter: nothing behind it is quantised.
            area = np.full(len(images), 0.2 * images.shape[2] * images.shape[3], np.float32)
            feed = {"images": np.ascontiguousarray(images), "area": area}
            yield {name: feed[name] for name in self._inputs}

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)
