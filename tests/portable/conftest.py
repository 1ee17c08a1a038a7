"""A hand-made exported file whose answers can be worked out by hand."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

SIZE = (64, 48)
LOC = np.array([[0.1, -0.2], [0.0, 0.0], [-0.5, 0.5]], np.float32)
SPREAD = np.array(
    [[[0.01, 0.002], [0.002, 0.0025]], [[0.04, 0.0], [0.0, 0.09]], [[0.01, 0.0], [0.0, 0.01]]], np.float32
)
VISIBILITY = np.array([0.5, 1.0, 0.0], np.float32)
SKELETON = {
    "name": "hands",
    "keypoints": ["left_hand", "right_hand", "nose"],
    "edges": [[0, 1]],
    "flip_pairs": [["left_hand", "right_hand"]],
    "oks_sigmas": [0.06, 0.06, 0.03],
    "upper_body": [],
    "parts": [],
}
METADATA = {
    "format_version": 1,
    "skeleton": SKELETON,
    "image_size": list(SIZE),
    "box_padding": 1.25,
    "area_per_box": 0.5,
    "flip_test": False,
    "regions": None,
}


def tiny_model(metadata=None, size=SIZE, share=None, name="keypoints", extra_inputs=()):
    """``keypoints = LOC + (mean brightness, 0)``, ``confidence = area / (area + 100)``; the rest is constant."""
    constants = {
        "loc": LOC[None],
        "spread": SPREAD[None],
        "seen": VISIBILITY[None],
        "right": np.array([[[1, 0]]], np.float32) / 255,
        "zero": np.zeros(1, np.float32),
        "hundred": np.array([100], np.float32),
        "ones": np.ones((1, 3), np.float32),
        "column": np.array([-1, 1], np.int64),
        "axes": np.array([1, 2, 3], np.int64),
        "block": np.array([-1, 1, 1], np.int64),
        "cube": np.array([-1, 1, 1, 1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["bright"], keepdims=0),
        helper.make_node("Reshape", ["bright", "block"], ["bright_block"]),
        helper.make_node("Mul", ["bright_block", "right"], ["moved"]),
        helper.make_node("Add", ["loc", "moved"], [name]),
        helper.make_node("Mul", ["bright", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "cube"], ["nothing_cube"]),
        helper.make_node("Add", ["spread", "nothing_cube"], ["covariance"]),
        helper.make_node("Reshape", ["nothing", "column"], ["nothing_column"]),
        helper.make_node("Add", ["seen", "nothing_column"], ["visibility"]),
        helper.make_node("Add", ["area", "hundred"], ["more"]),
        helper.make_node("Div", ["area", "more"], ["part"]),
        helper.make_node("Reshape", ["part", "column"], ["part_column"]),
        helper.make_node("Mul", ["part_column", "ones"], ["confidence"]),
    ]
    shapes = {
        name: ["B", 3, 2],
        "covariance": ["B", 3, 2, 2],
        "visibility": ["B", 3],
        "confidence": ["B", 3],
    }
    if share is not None:
        constants["share"] = np.array([share], np.float32)
        nodes.append(helper.make_node("Add", ["share", "nothing"], ["area_share"]))
        shapes["area_share"] = ["B"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 3, *size]),
            helper.make_tensor_value_info("area", TensorProto.FLOAT, ["B"]),
            *(helper.make_tensor_value_info(extra, TensorProto.FLOAT, ["B"]) for extra in extra_inputs),
        ],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in shapes.items()],
        [onnx.numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    if metadata is not None:
        helper.set_model_props(model, {"poserior": metadata if isinstance(metadata, str) else json.dumps(metadata)})
    return model


@pytest.fixture
def tiny(tmp_path):
    """A function that writes such a file; `changes` replace entries of its metadata."""

    def write(changes=None, **options):
        path = tmp_path / "tiny.onnx"
        metadata = options.pop("metadata", {**METADATA, **(changes or {})})
        onnx.save(tiny_model(metadata, **options), path)
        return path

    return write
