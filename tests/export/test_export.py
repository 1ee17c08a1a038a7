"""What an exported file answers is what the model answers."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from poserior.calibration import Conformal, RegionScores
from poserior.cli import main
from poserior.errors import InputError
from poserior.export import export_model, export_onnx
from poserior.export.graph import Graph
from poserior.heads import Gaussian


def crops(count, size=(48, 40)):
    images = torch.nn.functional.interpolate(torch.rand(count, 3, 5, 4), size=size, mode="bilinear")
    return (255 * images).to(torch.uint8), 100 + 300 * torch.rand(count)


def content(path):
    return {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}["poserior"]


def test_every_head_is_walked(walked):
    public, tried = walked
    assert tried == public


@torch.no_grad()
def test_the_file_answers_as_the_model(case, tmp_path):
    model, spec, flip_test = case
    written = export_model(model, spec, tmp_path / "x.onnx", flip_test)
    assert written.difference <= (0.05 if flip_test else 1e-4)  # a fused peak is searched for
    assert written.size == written.path.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]
    session = onnxruntime.InferenceSession(str(written.path))
    names = [output.name for output in session.get_outputs()]
    graph = Graph(model, spec, flip_test)
    sides = torch.tensor([40.0, 48.0])
    for count in (1, 4):
        images, area = crops(count)
        found = session.run(None, {"images": images.numpy(), "area": area.numpy()})
        found = dict(zip(names, map(torch.from_numpy, found), strict=True))
        expected = dict(zip(graph.outputs, graph(images, area), strict=True))
        assert list(expected) == names
        assert count == 1 or expected["keypoints"].diff(dim=0).abs().max() > 1e-3  # crops matter
        near = 0.05 if flip_test else 1e-4  # crop pixels
        torch.testing.assert_close(found["keypoints"] * sides, expected["keypoints"] * sides, atol=near, rtol=0)
        torch.testing.assert_close(found["covariance"], expected["covariance"], atol=1e-6, rtol=1e-3)
        for name in names[2:]:
            torch.testing.assert_close(found[name], expected[name], atol=1e-3 if flip_test else 2e-5, rtol=0)


@torch.no_grad()
def test_the_graph_is_the_predictors_path(small):
    """A picture that needs no resampling: crop pixels are twice the picture's, the box padded by 1.25."""
    from poserior.inference import Predictor
    from poserior.pictures import each_person

    model, spec = small("RLE", {"couplings": 3, "layers": 2, "neurons": 8})
    picture = torch.randint(0, 256, (60, 50, 3), dtype=torch.uint8)
    box = torch.tensor([[4.0, 6.0, 36.0, 44.0]])
    predictor = Predictor(model, spec, flip_test=False)
    (person,) = predictor([picture.numpy()], [box])[0]
    (given,) = each_person([picture.numpy()], [box.numpy()], None, None)
    crop = predictor._cut_out(given)
    zoom = float(crop.crop[0, 0])
    area = torch.tensor([0.4 * 32 * 38 * zoom**2])
    keypoints, covariance, visibility, confidence = Graph(model, spec, False)(crop.image.permute(2, 0, 1)[None], area)
    sides = torch.tensor([40.0, 48.0])
    in_picture = (keypoints[0] + 0.5) * sides / zoom - crop.crop[:, 2].float() / zoom
    torch.testing.assert_close(in_picture, person.keypoints)
    spread = covariance[0] * sides[:, None] * sides / zoom**2
    torch.testing.assert_close(spread, person.covariance)
    torch.testing.assert_close(confidence[0], person.confidence)
    torch.testing.assert_close(visibility[0], person.visibility)


def test_metadata_tell_all_that_is_needed(small, tmp_path):
    model, spec = small()
    written = export_model(model, spec, tmp_path / "x.onnx")
    onnx.checker.check_model(str(written.path), full_check=True)
    told = content(written.path)
    assert told["format_version"] == 1
    assert told["skeleton"]["keypoints"] == ["left_hand", "right_hand", "nose"]
    assert told["skeleton"]["oks_sigmas"] == [0.06, 0.06, 0.03]
    assert told["image_size"] == [48, 40]
    assert (told["box_padding"], told["area_per_box"], told["dim"], told["flip_test"]) == (1.25, 0.4, 2, False)
    assert told["head"]["class_path"] == "Gaussian"
    assert told["regions"] is None
    assert b"site-packages" not in written.path.read_bytes()  # no place of this installation


def test_metadata_hold_the_regions(small, tmp_path):
    """Nine labels of keypoint 0 with errors 1..9, none of the others: the median of 9 is the 5th, 90 % the 9th."""
    scores = torch.arange(1.0, 10.0)[:, None].expand(9, 3)
    labelled = torch.tensor([True, False, False]).expand(9, 3)
    regions = Conformal.fit(RegionScores(scores / 10, scores), labelled, torch.rand(9) + 1)
    model, spec = small(regions=regions)
    told = content(export_model(model, spec, tmp_path / "x.onnx").path)["regions"]
    assert told["log_area_edges"] == [[], [], []]
    assert told["radii"]["0.5"] == [[5.0, None, None]]
    assert told["radii"]["0.9"] == [[9.0, None, None]]
    assert told["radii"]["0.95"] == [[None, None, None]]
    assert told["levels"]["0.95"] == [[1.0, 1.0, 1.0]]


def test_a_table_of_size_groups_gives_what_the_regions_give():
    area = torch.rand(200).add(0.1) * 1000
    scores = torch.rand(200, 3) * area[:, None]
    regions = Conformal.fit(RegionScores(scores / scores.max(), scores), torch.rand(200, 3) < 0.9, area, groups=3)
    table = regions.by_size(0.8)
    assert (table.edges.shape, table.radii.shape) == ((3, 2), (3, 3))
    assert (table.radii[2] > table.radii[0]).all()
    asked = torch.rand(50).add(0.05) * 1000
    group = (asked.log()[:, None, None] >= table.edges).sum(-1)
    assert torch.equal(table.radii.gather(0, group), regions.radii(0.8, asked))
    assert torch.equal(table.levels.gather(0, group), regions.levels(0.8, asked))


class Deciding(Gaussian):
    """Its sequence of operations depends on the picture."""

    def forward(self, features):
        return super().forward(features if bool(features.sum() > 0) else -features)


def test_a_head_that_decides_is_refused(small, tmp_path, capfd):
    model, spec = small()
    model.head = Deciding(7, 3)
    with pytest.raises(InputError, match="found that Deciding is none"):
        export_model(model, spec, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().out == ""


def test_a_file_that_answers_otherwise_is_not_left(small, tmp_path, monkeypatch):
    from poserior.export import onnx_file

    monkeypatch.setattr(onnx_file, "PARITY", -1.0)
    model, spec = small()
    (tmp_path / "x.onnx").write_bytes(b"before")
    with pytest.raises(InputError, match="keypoints within -1 crop pixels"):
        export_model(model, spec, tmp_path / "x.onnx")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_a_head_of_three_dimensions_is_refused(small, tmp_path):
    model, spec = small("Gaussian", {"dim": 3})
    with pytest.raises(InputError, match="expected a head of 2-D keypoints"):
        export_model(model, spec, tmp_path / "x.onnx")


def test_the_verb_exports_a_run(run_folder, tmp_path, capfd):
    output = tmp_path / "new" / "x.onnx"
    assert main(["export", "--run", str(run_folder), "--output", str(output), "--flip-test"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith(f"{output}: ")
    assert out.count("\n") == 1
    assert content(output)["flip_test"] is True
    shape = onnxruntime.InferenceSession(str(output)).get_inputs()[0].shape
    assert shape == ["batch", 3, 48, 40]


def test_the_verb_refuses(run_folder, tmp_path, capsys):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_text("")
    for run, output, told in [
        (tmp_path, "x.onnx", "expected a run folder"),
        (f"{run_folder},{run_folder}", "x.onnx", "expected one run to export, found 2"),
        (run_folder, "x.pt", "ends in .onnx"),
        (run_folder, "folder.onnx", "found a folder"),
        (run_folder, "file/x.onnx", "expected a folder to write x.onnx in"),
    ]:
        assert main(["export", "--run", str(run), "--output", str(tmp_path / output)]) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(InputError, match="expected a run folder"):
        export_onnx(tmp_path, tmp_path / "x.onnx")
    assert np.all([not path.name.startswith(".") for path in tmp_path.iterdir()])
