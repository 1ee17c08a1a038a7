"""The fit on a frozen model: what is stored is what the labels give, and the promise is kept on other people."""

import math

import pytest
import torch
from torch.utils.data import Dataset

from poserior import skeletons
from poserior.calibration import RegionScores, region_scores
from poserior.errors import InputError
from poserior.inference import Predictor, evaluate_model
from poserior.models import ModelSpec, build_model, load_model, save_model
from poserior.post_hoc import calibrated, conformal, held_out_scores
from poserior.structures import Sample

HANDS = skeletons.Skeleton(
    "hands", ("left_hand", "right_hand", "nose"), ((0, 1),), (("left_hand", "right_hand"),), (0.06, 0.06, 0.03)
)


class Random(Dataset[Sample]):
    """People in noise, whose labels are noise about three points; the nose is labelled on every second one."""

    def __init__(self, count, seed=0):
        draws = torch.Generator().manual_seed(seed)
        self.images = torch.randint(0, 255, (count, 20, 16, 3), generator=draws, dtype=torch.uint8)
        self.sizes = 1 + torch.rand(count, generator=draws)
        middle = torch.tensor([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6]])
        self.points = (middle + 0.1 * torch.randn(count, 3, 2, generator=draws)) * torch.tensor([16.0, 20.0])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return Sample(
            image=self.images[index],
            keypoints=self.points[index] * torch.tensor([[1.0], [1.0], [float(index % 2)]]),
            visibility=torch.tensor([2, 1, 2 * (index % 2)]),
            box_xyxy=torch.tensor([0.0, 0.0, 16.0, 20.0 / float(self.sizes[index])]),
            area=100.0,
            skeleton=HANDS,
            image_id=index,
            annotation_id=index + 1,
        )


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(1)
    spec = ModelSpec({"name": "test_resnet"}, {"class_path": "Laplace"}, HANDS, (32, 32), area_per_box=0.4)
    return build_model(spec).eval(), spec


def fit(trained, count=60, **options):
    model, spec = trained
    return conformal(model, spec, Random(count), source="noise", progress=False, **options)


def test_what_is_stored_are_the_labels_scores(trained):
    model, spec = trained
    fresh, described = fit(trained)
    record = evaluate_model(model, spec, Random(60), "noise", progress=False)
    levels = fresh.regions.levels_sorted[0]
    torch.testing.assert_close(levels[0], record.credible_level[:, 0].sort().values)
    torch.testing.assert_close(levels[2, :30], record.credible_level[1::2, 2].sort().values)
    assert levels[2, 30:].isinf().all()
    # the ellipses' scores, from the evaluation's record in image pixels
    apart = (record.target - record.keypoints)[..., None]
    radius = (apart.mT @ torch.linalg.inv(record.covariance) @ apart)[..., 0, 0].sqrt()
    torch.testing.assert_close(fresh.regions.radii_sorted[0, 1], radius[:, 1].sort().values, rtol=1e-3, atol=1e-4)
    facts = described.fitted_on["regions"]
    assert facts["labels"] == [60, 60, 30]
    assert (facts["people"], facts["source"], facts["flip_test"], facts["by_size"]) == (60, "noise", True, False)
    assert model.regions is None
    # nothing else changed
    for name, value in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value)


@pytest.mark.parametrize("by_size", [False, True])
def test_other_people_are_covered_in_their_predictions(trained, by_size, tmp_path):
    save_model(*fit(trained, 300, by_size=by_size, flip_test=False), tmp_path)
    model, spec = load_model(tmp_path)
    others = Random(200, seed=1)
    predictor = Predictor(model, spec, flip_test=False, device="cpu", regions=0.8)
    people = [others[n] for n in range(200)]
    found = predictor([person.image for person in people], [person.box_xyxy[None] for person in people])
    inside = []
    for (person,), truth in zip(found, people, strict=True):
        scores = region_scores(person.distribution, truth.keypoints)
        region = person.regions[0.8]
        both = torch.stack([scores.radius <= region.radius, scores.level <= region.level])
        inside.append(torch.where(truth.visibility > 0, both.float(), torch.nan))
    shares = torch.stack(inside).nanmean(0)
    # 200 labels (100 of the nose) and 300 (150) in the fit: standard deviations of 0.036 and 0.052
    assert shares.min() > 0.8 - 3 * 0.036
    assert shares.max() < 0.8 + 3 * 0.036
    radii = torch.stack([person.regions[0.8].radius for (person,) in found])
    assert len(radii[:, 0].unique()) == (3 if by_size else 1)


def test_area_and_labels_of_the_held_out_people(trained):
    model, spec = trained
    model.train()
    held = held_out_scores(model, spec, Random(5), batch_size=2, progress=False)
    assert model.training
    model.eval()
    sizes = Random(5).sizes
    torch.testing.assert_close(held.area, 0.4 * 16 * 20 / sizes)
    assert held.labelled[:, 2].tolist() == [False, True, False, True, False]
    assert isinstance(held.scores, RegionScores)
    assert held.scores.level.isinf().tolist() == held.scores.radius.isinf().tolist() == (~held.labelled).tolist()


@pytest.mark.parametrize(
    ("count", "by_size", "message"),
    [(29, False, "at least 30 labelled .* needs 9 labels for regions of 90 %, 19 for 95 %.* found 29 labels"),
     (89, True, "at least 90 labelled held-out people for 3 sizes .* found 89")],
)  # fmt: skip
def test_too_few_people_are_refused(trained, count, by_size, message):
    with pytest.raises(InputError, match=message):
        fit(trained, count, by_size=by_size)


def test_a_new_recalibration_drops_the_regions(trained, monkeypatch):
    from torch import nn

    from poserior import calibration

    class Nothing(calibration.Recalibration):
        def __init__(self, num_keypoints):
            super().__init__()
            self.factor = nn.Buffer(torch.ones(num_keypoints))

        def forward(self, distribution):
            return distribution

    monkeypatch.setattr(calibration, "Nothing", Nothing, raising=False)
    monkeypatch.setattr(calibration, "__all__", [*calibration.__all__, "Nothing"])
    model, spec = fit(trained, 30)
    part = {"class_path": "Nothing", "init_args": {}}
    fresh, described = calibrated(model, spec, "recalibration", part, {"factor": torch.full((3,), 2.0)}, {"people": 1})
    assert fresh.regions is None
    assert described.regions is None
    assert described.fitted_on == {"recalibration": {"people": 1}}
    assert fresh.recalibration.factor.tolist() == [2, 2, 2]
    assert model.regions is not None


def test_regions_of_a_keypoint_with_few_labels_are_everything(trained):
    model, _ = fit(trained, 30)
    area = torch.tensor([50.0, 500.0])
    assert model.regions.radii(0.9, area).isfinite().all()
    # 15 noses are too few for 95 %
    assert model.regions.radii(0.95, area)[:, 2].tolist() == [math.inf] * 2
    assert model.regions.levels(0.95, area)[:, 2].tolist() == [1, 1]
    assert model.regions.radii(0.95, area)[:, :2].isfinite().all()
