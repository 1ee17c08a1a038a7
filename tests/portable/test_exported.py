import onnx
import pytest
from onnx import TensorProto, helper

from poserior.errors import InputError
from poserior.portable import OnnxPredictor

FOUR = {
    "name": "four",
    "keypoints": ["a", "b", "c", "d"],
    "edges": [],
    "flip_pairs": [],
    "oks_sigmas": [0.1, 0.1, 0.1, 0.1],
}


def test_what_the_file_says_is_told(tiny):
    spec = OnnxPredictor(tiny({"head": {"class_path": "RLE", "init_args": {}}}), threads=1).spec
    assert (spec.image_size, spec.box_padding, spec.area_per_box, spec.flip_test) == ((64, 48), 1.25, 0.5, False)
    assert spec.skeleton.flip_indices == (1, 0, 2)
    assert spec.about["head"]["class_path"] == "RLE"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, r"format version 1 in .*tiny\.onnx, found 2; install the version"),
        ({"format_version": "1"}, "format version 1 .* found 1;"),
        ({"image_size": [64]}, "metadata .* cannot be used"),
        ({"image_size": [64.5, 48]}, "two positive whole numbers"),
        ({"image_size": None}, "metadata .* cannot be used"),
        ({"box_padding": 0}, "box_padding must be a positive number, not 0"),
        ({"area_per_box": "much"}, "metadata .* cannot be used"),
        ({"skeleton": {"name": "x"}}, "the key 'keypoints' is missing"),
        ({"skeleton": {**FOUR, "oks_sigmas": [0.1]}}, "4 keypoints have 1 oks_sigmas"),
        ({"skeleton": {**FOUR, "edges": [[0, 9]]}}, "edges speak of other keypoints than its 4"),
        ({"skeleton": {**FOUR, "flip_pairs": [["a", "z"]]}}, "found 'z'"),
        ({"skeleton": FOUR}, r"expected keypoints of shape \(any, 4, any\) for skeleton four .* \(any, 3, 2\)"),
        ({"image_size": [48, 64]}, r"expected images of shape \(any, 3, 48, 64\) .* found \(any, 3, 64, 48\)"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tiny, changes, message):
    with pytest.raises(InputError, match=message) as refusal:
        OnnxPredictor(tiny(changes), threads=1)
    assert "\n" not in str(refusal.value)


def test_graphs_of_others_are_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="`poserior export` wrote, found none of its metadata"):
        OnnxPredictor(tiny(metadata=None), threads=1)
    with pytest.raises(InputError, match="JSON object with format_version"):
        OnnxPredictor(tiny(metadata="{"), threads=1)
    with pytest.raises(InputError, match="JSON object with format_version"):
        OnnxPredictor(tiny(metadata="[1]"), threads=1)
    with pytest.raises(InputError, match="found no keypoints"):
        OnnxPredictor(tiny(name="points"), threads=1)
    with pytest.raises(InputError, match="found the inputs depth"):
        OnnxPredictor(tiny(extra_inputs=["depth"]), threads=1)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_files_that_are_no_graph_are_refused(tiny, tmp_path, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    with pytest.raises(InputError, match="found no file"):
        OnnxPredictor(tmp_path / "none.onnx", engine=engine)
    whole = tiny().read_bytes()
    for data in (b"", b"plain text", whole[: len(whole) // 2]):
        (tmp_path / "broken.onnx").write_bytes(data)
        with pytest.raises(InputError, match=r"expected an ONNX model in .*broken\.onnx|none of its metadata"):
            OnnxPredictor(tmp_path / "broken.onnx", engine=engine)


def test_an_unknown_operation_is_refused(tmp_path):
    node = helper.make_node("Nonsense", ["images"], ["keypoints"], domain="elsewhere")
    graph = helper.make_graph(
        [node],
        "odd",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 3, 8, 8])],
        [helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["B", 1, 2])],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("elsewhere", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "odd.onnx")
    with pytest.raises(InputError, match="expected an ONNX model"):
        OnnxPredictor(tmp_path / "odd.onnx")
