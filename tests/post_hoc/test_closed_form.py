"""Area and visibility learned from frozen features: what can be learned is, what cannot be leaves constants."""

from importlib import import_module

import numpy as np
import pytest
import torch

from poserior import skeletons
from poserior.datasets import KeypointDataset
from poserior.errors import InputError
from poserior.models import ModelSpec, build_model, load_model, save_model
from poserior.post_hoc import closed_form
from poserior.structures import Sample

SPEC = ModelSpec(
    {"name": "resnet18", "channels": [4, 4, 8, 8]}, {"class_path": "Laplace"}, skeletons.load("lsp14"), (32, 24), 1.0
)
BOX_AREA = 24 * 32


class Blocks(KeypointDataset):
    """The brighter the green and blue, the larger the object; half of the keypoints show where the picture is red."""

    skeleton = SPEC.skeleton

    def __init__(self, length, honest=True):
        self.length, self.honest = length, honest

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        rng = np.random.default_rng((0, index))
        wide, red, luck = rng.uniform(0.2, 1), rng.random() < 0.5, rng.normal(size=2)
        image = np.full((32, 24, 3), 60, np.uint8)
        image[..., 0] = 255 if red else 0
        image[..., 1:] = int(255 * wide)
        share = wide if self.honest else float(SPEC.area_per_box * np.exp(0.5 * luck[0]))
        shown = red if self.honest else luck[1] > 0
        visibility = torch.full((14,), 2)
        visibility[::2] = 2 if shown else 0
        return Sample(
            image=torch.from_numpy(image),
            keypoints=torch.full((14, 2), 12.0) * (visibility > 0)[:, None],
            visibility=visibility,
            box_xyxy=torch.tensor([0.0, 0.0, 24.0, 32.0]),
            area=share * BOX_AREA,
            skeleton=self.skeleton,
            image_id=index,
            annotation_id=index + 1,
        )


@pytest.fixture
def model():
    return build_model(SPEC).eval()


def test_what_the_features_show_is_learned(model, tmp_path):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fresh, described = closed_form(model, SPEC, Blocks(150), source="blocks", progress=False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    facts = described.fitted_on["calibrator"]
    assert (facts["people"], facts["source"]) == (150, "blocks")
    assert facts["log_area_error"]["after"] < 0.6 * facts["log_area_error"]["before"]
    assert facts["visibility_loss"]["after"] < 0.4 * facts["visibility_loss"]["before"]
    # People that nobody saw: the share is predicted, and every second keypoint where the picture is red.
    people = [Blocks(400)[index] for index in range(300, 400)]
    images = torch.stack([person.image for person in people]).permute(0, 3, 1, 2) / 255
    law, features = fresh.predict(images)
    share = torch.tensor([person.area for person in people]) / BOX_AREA
    error = (fresh.area_share(features).log() - share.log()).abs().mean().item()
    assert error == pytest.approx(facts["log_area_error"]["after"], abs=0.05)
    _, visibility = fresh.judge(law, features, torch.ones(100, 14, 2))
    labels = torch.stack([person.visibility for person in people]) > 0
    assert ((visibility > 0.5) == labels).float().mean() > 0.97
    # The density is the model's own.
    torch.testing.assert_close(law.mode, model(images).mode, rtol=0, atol=0)
    save_model(fresh, described, tmp_path)
    again, read = load_model(tmp_path)
    assert read.fitted_on == described.fitted_on
    torch.testing.assert_close(again.area_share(features), fresh.area_share(features))


def test_the_same_people_give_the_same_layers(model):
    first, second = (closed_form(model, SPEC, Blocks(100), source="b", progress=False)[0] for _ in range(2))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_luck_is_not_learned(model):
    """Areas and flags that have nothing to do with the pictures: held-out people are served no worse than before."""
    model.calibrator = None  # start from constants: an untrained layer is easily beaten
    _, described = closed_form(model, SPEC, Blocks(100, honest=False), source="luck", progress=False)
    facts = described.fitted_on["calibrator"]
    for name in ("visibility_loss", "log_area_error"):
        assert 0.7 * facts[name]["before"] < facts[name]["after"] <= facts[name]["before"]


def test_where_nothing_is_gained_the_models_own_layers_stay(model, monkeypatch):
    """Steps so large that every one makes the areas worse."""
    good, described = closed_form(model, SPEC, Blocks(150), source="blocks", progress=False)
    monkeypatch.setattr(import_module("poserior.post_hoc.closed_form"), "RATE", 1e4)
    again, described = closed_form(good, described, Blocks(150), source="blocks", progress=False)
    assert described.fitted_on["calibrator"]["steps"]["area"] == 0
    torch.testing.assert_close(again.calibrator.area.weight, good.calibrator.area.weight)
    torch.testing.assert_close(again.calibrator.area.bias, good.calibrator.area.bias)


def test_too_few_people(model):
    with pytest.raises(InputError, match=r"expected at least 100 people to fit the closed form on .*, found 99"):
        closed_form(model, SPEC, Blocks(99), source="few", progress=False)
