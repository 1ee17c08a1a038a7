"""An oracle, whose maps say what the labels say, is evaluated as perfect: every coordinate convention in one number."""

import pytest
import torch

from poserior.dense.evaluate import evaluate_dense, labels_nll
from poserior.dense.one_component import OneComponent, answered_by
from poserior.dense.run import dense_spec
from poserior.dense.spec import build_dense
from poserior.dense.targets import dense_targets
from poserior.dense.truth import Truth
from poserior.errors import InputError
from poserior.scenes import Maps
from poserior.transforms import SceneTransform, collate_scenes


def scattered(values, cell, cells):
    """Values ``(B, N, P)`` in their cells of a map ``(B, P, cells)``."""
    out = values.new_zeros(len(values), values.shape[2], cells)
    return out.scatter(2, cell[:, None].expand(-1, values.shape[2], -1), values.transpose(1, 2))


@pytest.fixture
def oracle(small, monkeypatch):
    """A model that answers with the labels; of its two components the second is a cell beside the truth."""

    def make(data, away=0.0, weight=2.0):
        spec = dense_spec(small(), data)
        model = build_dense(spec).eval()
        transform = SceneTransform(spec.image_size)
        batch = collate_scenes([transform(data[index]) for index in range(len(data))])
        target = dense_targets(batch, len(data.categories), model.stride)
        height, width = target.heat.shape[-2:]
        points = target.size[..., None, :] if spec.skeleton is None else target.points
        both = torch.cat([points, points + away], 2).flatten(2)
        count = len(points), points.shape[1]
        weights = torch.tensor([weight, 0.0]).expand(*count, 2)
        spread = torch.zeros(*count, 4)
        flat = {"raw": torch.cat([weights, both, spread], 2), "offset": target.offset, "size": target.size}
        grids = {
            name: scattered(value, target.cell, height * width).unflatten(2, (height, width))
            for name, value in flat.items()
        }
        size = None if spec.skeleton is None else grids["size"]
        logits = torch.where(target.heat == 1, 6.0, -12.0)
        maps = Maps(centre=logits, offset=grids["offset"], density=grids["raw"], size=size)
        monkeypatch.setattr(model, "predict", lambda images: maps)
        return model, spec

    return make


@pytest.mark.parametrize("kind", ["squares", "corners"])
def test_an_oracle_is_perfect(kind, oracle, request):
    data = request.getfixturevalue(kind)(4)
    model, spec = oracle(data)
    found = evaluate_dense(model, spec, data, score="centre", progress=False)
    assert (found["pictures"], found["objects"]) == (4, 6)
    assert found["boxes"]["AP"] == pytest.approx(1.0)
    assert ("keypoints" in found) == (kind == "corners")
    if kind == "corners":
        assert found["keypoints"]["AP"] == pytest.approx(1.0)


def test_each_component_alone(oracle, squares):
    # The second component's boxes are 40 pixels too wide and high: IoU at most (28 / 68)^2.
    model, spec = oracle(squares(4), away=10.0)
    found = evaluate_dense(model, spec, squares(4), per_component=True, score="centre", progress=False)
    assert found["boxes"]["AP"] == pytest.approx(1.0)
    first, second = found["components"]
    assert first["boxes"]["AP"] == pytest.approx(1.0)
    assert second["boxes"]["AP"] == 0.0
    # and where the wrong one has the greater weight, the whole is wrong, the components are as before
    model, spec = oracle(squares(4), away=10.0, weight=-2.0)
    found = evaluate_dense(model, spec, squares(4), per_component=True, score="centre", nll=False, progress=False)
    assert found["boxes"]["AP"] == 0.0
    assert [one["boxes"]["AP"] for one in found["components"]] == [pytest.approx(1.0), 0.0]


def test_the_labels_likelihood_by_hand(oracle, squares):
    # In the middle of the first component: weight e^2 / (e^2 + 1), its scale in both axes that of a raw value of 0.
    model, spec = oracle(squares(4), away=1000.0)
    density = model.head.density(torch.zeros(1, 10))
    scale = density.pose.scale[0, 0, 0]
    expected = -torch.tensor([2.0, 0.0]).log_softmax(0)[0] + (scale * (2 * torch.pi) ** 0.5).log().sum()
    assert labels_nll(model, spec, squares(4), batch_size=4, progress=False) == pytest.approx(float(expected), rel=1e-5)


def test_one_component_is_a_density_of_its_own(oracle, corners):
    model, _ = oracle(corners(2))
    raw = torch.randn(5, model.head.density(torch.zeros(1, 18)).pose.loc.numel() + 6)
    whole, head = model.head.density(raw), model.head
    with answered_by(model, 1):
        assert isinstance(model.head, OneComponent)
        alone = model.head.density(raw)
        assert model.head.components == 1
        torch.testing.assert_close(model.head.weights(alone), torch.ones(5, 1))
        torch.testing.assert_close(model.head.modes(alone), head.modes(whole)[:, 1:])
    assert model.head is head
    points = torch.randn(5, 3, 2)
    torch.testing.assert_close(alone.pose.log_prob(points), whole.pose.component_log_prob(points)[:, 1])
    with pytest.raises(ValueError, match="expected a component from 0 to 1, found 2"):
        OneComponent(head, 2)


def test_labels_of_a_file_and_of_its_scenes_are_the_same(corners, small):
    class FromFile(corners):
        category_ids = (7,)

        def coco_dict(self):
            return {"images": [], "categories": [{"id": 7, "name": "square"}], "annotations": []}

    spec = dense_spec(small(), corners(2))
    truth = Truth(corners(2), spec)
    truth.add([corners(2)[0], corners(2)[1]])
    made = truth.annotations()
    assert made["categories"] == [{"id": 1, "name": "square"}]
    assert [image["id"] for image in made["images"]] == [0, 1]
    scene, row = corners(2)[1], made["annotations"][2]
    x, y, width, height = row["bbox"]
    assert scene.box_xyxy[1].tolist() == pytest.approx([x, y, x + width, y + height])
    assert row["keypoints"] == [x - 0.5, y - 0.5, 2.0, 0.0, 0.0, 0.0, x - 0.5, y + height - 0.5, 2.0]
    assert (row["num_keypoints"], row["image_id"], row["area"]) == (2, 1, width * height)
    of_file = Truth(FromFile(2), spec)
    of_file.add([scene])
    assert (of_file.category_ids, of_file.objects) == ([7], 2)
    assert of_file.annotations()["annotations"] == []


def test_data_that_does_not_fit(oracle, squares, corners, small):
    model, spec = oracle(squares(2))
    with pytest.raises(InputError, match="expected at least one picture to evaluate on"):
        evaluate_dense(model, spec, squares(0), progress=False)
    with pytest.raises(InputError, match=r"the model's 2 categories \(red, green\), found 1 \(square\)"):
        evaluate_dense(model, spec, corners(2), progress=False)
    model, spec = oracle(corners(2))

    class Plain(squares):
        categories = ("square",)

        def __getitem__(self, index):
            return super().__getitem__(0)

    with pytest.raises(InputError, match=r"expected 3 keypoints .the model's., found 0"):
        evaluate_dense(model, spec, Plain(2), progress=False)
    single = build_dense(dense_spec(small(head={"class_path": "DenseFixed", "init_args": {}}), corners(2)))
    with pytest.raises(InputError, match="expected a mixture for an evaluation per component"):
        evaluate_dense(single, spec, corners(2), per_component=True, progress=False)


def test_pictures_without_objects(oracle, corners):
    model, spec = oracle(corners(2))
    model.predict = type(model).predict.__get__(model)
    found = evaluate_dense(model, spec, corners(2, empty=True), progress=False)
    assert found["objects"] == 0
    assert found["nll"] != found["nll"]
    assert found["boxes"]["AP"] != found["boxes"]["AP"]
    assert found["keypoints"]["AP"] != found["keypoints"]["AP"]
