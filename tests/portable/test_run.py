"""A run, its exported file, and the file with integers: the same people."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from poserior import export, skeletons
from poserior.calibration import Conformal, RegionScores
from poserior.cli import export_int8
from poserior.cli.main import main
from poserior.datasets import Figures
from poserior.errors import InputError
from poserior.inference import Predictor, evaluate_model
from poserior.models import ModelSpec, build_model, save_model
from poserior.portable import OnnxPredictor

SPEC = ModelSpec(
    backbone={
        "name": "resnet18",
        "pretrained": False,
        "channels": [8, 8, 16, 16],
        "zero_init_last": False,
    },
    head={"class_path": "FullGaussian", "init_args": {}},
    skeleton=skeletons.load("coco17"),
    image_size=(64, 48),
    calibrator={"class_path": "ExpectedOks", "init_args": {"area_per_box": 0.4}},
    regions={"class_path": "Conformal", "init_args": {"labels": 20, "groups": 2}},
    area_per_box=0.4,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder, its model, and its file."""
    torch.manual_seed(0)
    model = build_model(SPEC)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # statistics that scale by channel, as trained ones do
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    with torch.no_grad():
        model.calibrator.area.weight.normal_(0, 0.1)
    count = SPEC.skeleton.num_keypoints
    scores = RegionScores(torch.rand(60, count), torch.rand(60, count))
    area = torch.rand(60) * 3000 + 50
    fitted = Conformal.fit(scores, torch.ones(60, count, dtype=torch.bool), area, groups=2)
    model.regions = fitted
    labels = fitted.levels_sorted.shape[-1]
    spec = replace(SPEC, regions={"class_path": "Conformal", "init_args": {"labels": labels, "groups": 2}})
    folder = tmp_path_factory.mktemp("run")
    save_model(model, spec, folder)
    path = export.export_model(model, spec, folder / "model.onnx").path
    return folder, model, spec, path


def people(count=6):
    figures = Figures(length=count, seed=3)
    return [figures[n] for n in range(count)]


def test_an_exported_run_predicts_as_the_run(run):
    _, model, spec, path = run
    samples = people()
    images = [sample.image.numpy() for sample in samples]
    boxes = [np.stack([sample.box_xyxy.numpy(), [-9.5, 4, 60, 90.25]]) for sample in samples]
    plain = Predictor(model, spec, flip_test=False, batch_size=5, device="cpu")(images, boxes, [[0.5, 1]] * 6)
    other = OnnxPredictor(path, batch_size=4, threads=1)(images, boxes, [[0.5, 1]] * 6)
    for persons, twins in zip(plain, other, strict=True):
        for person, twin in zip(persons, twins, strict=True):
            x0, _, x1, _ = person.box_xyxy.tolist()
            pixel = max(x1 - x0, 1) * 1.25 / 48  # at most so many picture pixels are one crop pixel
            assert np.abs(twin.keypoints - person.keypoints.numpy()).max() <= 1e-4 * max(pixel, 1) + 3e-5
            assert twin.covariance == pytest.approx(person.covariance.numpy(), rel=1e-4, abs=1e-3)
            assert twin.visibility == pytest.approx(person.visibility.numpy(), abs=1e-5)
            assert twin.confidence == pytest.approx(person.confidence.numpy(), abs=1e-5)
            assert (twin.score, twin.area) == pytest.approx((person.score, person.area), rel=1e-4)
            assert twin.area != pytest.approx(0.4 * np.prod(person.box_xyxy.numpy()[2:] - person.box_xyxy.numpy()[:2]))
            assert (twin.image_id, twin.skeleton) == (person.image_id, person.skeleton)
            assert np.array_equal(twin.regions[0.9].radius, person.regions[0.9].radius.numpy())
            assert np.array_equal(twin.regions[0.9].level, person.regions[0.9].level.numpy())
            assert twin.to_coco().keys() == person.to_coco().keys()


def test_integers_stay_in_the_backbone_and_change_little(run, tmp_path):
    path = run[3]
    predictor = OnnxPredictor(path, threads=1)
    crops = np.stack([export_int8._cut(sample, predictor)[1].pixels for sample in people(20)])
    output = export.quantise(path, tmp_path / "small.onnx", crops[:12])
    before, after = onnx.load(path), onnx.load(output)

    def weights(model):
        return {value.name: value.data_type for value in model.graph.initializer}

    kept = {name for name in weights(before) if ".head." in name or ".calibrator." in name}
    assert kept
    assert all(weights(after)[name] == onnx.TensorProto.FLOAT for name in kept)
    bytes_ = [name for name, kind in weights(after).items() if kind == onnx.TensorProto.INT8]
    convolutions = sum(node.op_type == "Conv" for node in before.graph.node)
    assert convolutions == 21
    assert len([name for name in bytes_ if name.endswith("_quantized")]) == 21
    small = OnnxPredictor(output, threads=1)
    assert small.spec == predictor.spec
    assert small.spec.about["quantised"] == {"bits": 8, "crops": 12}
    area = np.full(8, 600, np.float32)
    plain, rounded = predictor.run(crops[12:], area), small.run(crops[12:], area)
    error = np.square(plain["keypoints"] - rounded["keypoints"]).mean()
    # Random weights tell pictures apart by little; a file that does not look at them would have an error of 1 here.
    assert 0 < error < 0.2 * plain["keypoints"].var(0).mean()
    with pytest.raises(InputError, match="found a quantised one"):
        export.quantise(output, tmp_path / "again.onnx", crops)
    with pytest.raises(InputError, match="crops of 64 x 48, found none"):
        export.quantise(path, tmp_path / "none.onnx", crops[:0])
    with pytest.raises(InputError, match="crops of 64 x 48, found crops of 32 x 48"):
        export.quantise(path, tmp_path / "none.onnx", crops[:, :32])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["small.onnx"]


def test_the_table_measures_as_evaluate_does(run):
    _, model, spec, path = run
    figures = Figures(length=8, seed=5)
    plain = evaluate_model(model, spec, figures, "a", flip_test=False, progress=False)
    found = export_int8.measure({"a": OnnxPredictor(path, threads=1)}, figures, range(8))["a"]
    # The head is a Gaussian itself, so that its density is the one the table takes.
    torch.testing.assert_close(found.log_prob, plain.log_prob, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(found.credible_level, plain.credible_level, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.target, plain.target)
    torch.testing.assert_close(found.area, plain.area)
    torch.testing.assert_close(found.score, plain.score, atol=1e-5, rtol=1e-4)


def test_the_verb_refuses_pictures_without_int8(run, capsys):
    folder, *_ = run
    assert main(["export", "--run", str(folder), "--output", "x.onnx", "--images", "there"]) == 2
    assert "with --int8" in capsys.readouterr().err
    assert main(["export", "--run", str(folder), "--output", "x.onnx", "--int8", "--annotations", "a.json"]) == 2
    assert "--images with --annotations" in capsys.readouterr().err
