"""CCNet after training: it learns where a frozen model errs, and moves no coordinate."""

from dataclasses import replace

import pytest
import torch
from torch.utils.data import Dataset

from poserior import skeletons
from poserior.calibration import CCNet
from poserior.datasets import Figures
from poserior.errors import InputError
from poserior.inference import evaluate_model
from poserior.metrics import ause, coco_average_precision, evaluation_to_coco, keypoint_oks, pearson
from poserior.models import ModelSpec, build_model, load_model, save_model
from poserior.post_hoc import NetSettings, ccnet
from poserior.post_hoc.features import see_people
from poserior.post_hoc.net import train_net

COCO = skeletons.load("coco17")
SIZE = (32, 32)


class Kept(Dataset):
    """Figures painted once."""

    def __init__(self, length, seed, **options):
        figures = Figures(length, seed, picture_size=(40, 32), supersample=1, **options)
        self.people = [figures[index] for index in range(length)]

    def __len__(self):
        return len(self.people)

    def __getitem__(self, index):
        return self.people[index]


@pytest.fixture(scope="module")
def people():
    return Kept(52, 1)


def tiny(head):
    torch.manual_seed(4)
    spec = ModelSpec({"name": "resnet18", "channels": [4, 4, 6, 8]}, head, COCO, SIZE)
    model = build_model(spec)
    for module in model.modules():
        module.training = False
    return model, spec


HEADS = [
    {"class_path": "Laplace"},
    {"class_path": "Heatmap", "init_args": {"num_deconvolutions": 1, "channels": 5}},
    {"class_path": "SoftArgmaxRLE", "init_args": {"num_deconvolutions": 1, "channels": 5, "couplings": 2}},
]


def recall_of(evaluation):
    truth, results = evaluation_to_coco(evaluation)
    return coco_average_precision(results, truth, evaluation.skeleton.oks_sigmas)["AR"]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["class_path"])
def test_coordinates_densities_and_recall_stay_the_same(people, tmp_path, head):
    model, spec = tiny(head)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    flip = head["class_path"] == "Laplace"
    fresh, described = ccnet(model, spec, people, source="Figures", flip_test=flip, min_steps=20, progress=False)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert isinstance(fresh.calibrator, CCNet)
    # wide labels: a tiny untrained model answers some of them well enough for an AR above 0
    easy = replace(spec, skeleton=replace(COCO, oks_sigmas=tuple(8 * sigma for sigma in COCO.oks_sigmas)))
    before = evaluate_model(model, easy, people, "before", flip, progress=False)
    after = evaluate_model(fresh, replace(described, skeleton=easy.skeleton), people, "after", flip, progress=False)
    for name in ("keypoints", "covariance", "mean", "log_prob"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
    assert not torch.equal(before.confidence, after.confidence)
    recall = [recall_of(evaluation) for evaluation in (before, after)]
    assert recall[0] > 0.05
    assert recall[0] == recall[1]
    save_model(fresh, described, tmp_path)
    again, read = load_model(tmp_path)
    pictures, widths = torch.rand(2, 3, *SIZE), torch.ones(2, 17, 2)
    with torch.no_grad():
        for ours, stored in zip(
            fresh.judge(*fresh.predict(pictures), widths), again.judge(*again.predict(pictures), widths), strict=True
        ):
            assert torch.equal(ours, stored)
    facts = read.fitted_on["calibrator"]
    assert (facts["method"], facts["data"], facts["people"]) == ("ccnet", "Figures", 52)
    assert facts["loss_after"] <= facts["loss_before"]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["class_path"])
def test_the_features_are_those_before_the_last_layer(head):
    model, _ = tiny(head)
    features = torch.rand(2, 8, 3, 4)
    last = {"Heatmap": lambda h: h.draw, "SoftArgmaxRLE": lambda h: h.regress.locate.draw}.get(head["class_path"])
    penultimate = model.head.penultimate(features)
    if last is None:
        assert penultimate is features
    else:
        assert penultimate.shape == (2, 5, 6, 8)
        draw = last(model.head)
        assert torch.equal(draw.maps(penultimate), draw(features))


def test_what_is_cached_is_what_evaluation_says(people):
    model, spec = tiny({"class_path": "Laplace"})
    fresh, described = ccnet(
        model, spec, people, source="Figures", inputs="features+density", hidden=6, loss="aleatoric", min_steps=20,
        progress=False,
    )  # fmt: skip
    evaluation = evaluate_model(fresh, described, people, "after", progress=False)
    seen = see_people(
        model,
        spec,
        people,
        fresh.calibrator.see,
        "",
        progress=False,
    )
    torch.testing.assert_close(seen.mode, evaluation.keypoints, atol=1e-4, rtol=0)
    with torch.no_grad():
        score, visibility = fresh.calibrator.verdict(fresh.calibrator.raw(seen.inputs))
    torch.testing.assert_close(score, evaluation.confidence, atol=1e-5, rtol=0)
    torch.testing.assert_close(visibility, evaluation.visibility, atol=1e-5, rtol=0)
    oks = keypoint_oks(
        evaluation.keypoints, evaluation.target, evaluation.area, COCO.oks_sigmas, evaluation.target_visibility
    )
    torch.testing.assert_close(seen.oks, oks, atol=1e-5, rtol=0, equal_nan=True)


def planted(count, seed):
    """Features of which the first tells how far off each keypoint is, and the second whether the last is labelled."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 6, generator=generator)
    oks = (
        1.5 * features[:, :1] + torch.tensor([0.5, -0.5, 0.0]) + 0.3 * torch.randn(count, 3, generator=generator)
    ).sigmoid()
    labelled = torch.ones(count, 3, dtype=torch.int64)
    labelled[:, 2] = (torch.rand(count, generator=generator) < (2 * features[:, 1]).sigmoid()).long()
    labelled[:, 1] = (torch.rand(count, generator=generator) < 0.25).long()
    return features, oks, labelled


@pytest.mark.parametrize("options", [{}, {"loss": "ce"}, {"loss": "aleatoric"}, {"hidden": 8}], ids=str)
def test_it_finds_what_tells_the_error(options):
    features, oks, labelled = planted(900, 0)
    net = CCNet(6, 3, **options)
    course = train_net(net, features, oks, labelled, list(range(900)), NetSettings(lr=0.02, min_steps=240))
    features, oks, labelled = planted(900, 1)
    with torch.no_grad():
        score, visibility = net.verdict(net.raw(features))
    constant = torch.ones_like(score)
    assert pearson(score, oks, labelled) > 0.9
    assert ause(1 - oks, score, labelled) < 0.2 * ause(1 - oks, constant, labelled)
    assert course.loss_after < course.loss_before
    # the truth of the planted law: labels come by these probabilities
    torch.testing.assert_close(visibility.mean(0), labelled.float().mean(0), atol=0.08, rtol=0)
    truth = (2 * features[:, 1]).sigmoid()
    assert (visibility[:, 2] - truth).abs().mean() < 0.09
    assert (visibility[:, 1] - 0.25).abs().mean() < 0.09


def test_features_that_say_nothing_leave_the_constants():
    """Long features of few people are learned by heart; the pictures held back notice."""
    generator = torch.Generator().manual_seed(0)
    features, oks = torch.randn(60, 500, generator=generator), torch.rand(60, 3, generator=generator)
    labelled = torch.ones(60, 3, dtype=torch.int64)
    trained = CCNet(500, 3)
    course = train_net(trained, features, oks, labelled, list(range(60)), NetSettings(lr=0.02, min_steps=80))
    assert course.loss_after <= course.loss_before
    by_heart = CCNet(500, 3)
    train_net(by_heart, features, oks, labelled, list(range(60)), NetSettings(lr=0.02, min_steps=80, held_back=0.0))
    new, truth = torch.randn(400, 500, generator=generator), torch.rand(400, 3, generator=generator)
    with torch.no_grad():
        errors = [(net.verdict(net.raw(new))[0] - truth).square().mean().item() for net in (trained, by_heart)]
    assert errors[0] < 0.1  # a constant has 1/12
    assert errors[1] > 1.3 * errors[0]


def test_a_picture_is_held_back_whole_and_chance_is_local():
    features, oks, labelled = planted(120, 0)
    pictures = [index // 2 for index in range(120)]
    torch.manual_seed(7)
    before = torch.get_rng_state()
    nets = [CCNet(6, 3) for _ in range(2)]
    state = torch.get_rng_state()
    for net in nets:
        train_net(net, features, oks, labelled, pictures, NetSettings(seed=5, min_steps=10))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(before, state)
    assert torch.equal(nets[0].answer.weight, nets[1].answer.weight)
    other = CCNet(6, 3)
    train_net(other, features, oks, labelled, pictures, NetSettings(seed=6, min_steps=10))
    assert not torch.equal(nets[0].answer.weight, other.answer.weight)


def test_the_fit_leaves_the_global_chance_alone(people):
    model, spec = tiny({"class_path": "Laplace"})
    state = torch.get_rng_state()
    ccnet(model, spec, people, source="Figures", min_steps=2, progress=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_too_few_people_and_bad_numbers(people):
    model, spec = tiny({"class_path": "Laplace"})
    few = Kept(3, 2)
    with pytest.raises(InputError, match="at least 50 people with labelled keypoints to fit a CCNet, found 3"):
        ccnet(model, spec, few, source="Figures", progress=False)
    few.people[1] = replace(few.people[1], area=0.0)
    with pytest.raises(InputError, match=r"positive area, found 0\.0"):
        ccnet(model, spec, few, source="Figures", progress=False)
    with pytest.raises(InputError, match="epochs and batch >= 1"):
        NetSettings(epochs=0)
    with pytest.raises(InputError, match="lr > 0"):
        NetSettings(lr=float("nan"))
    with torch.no_grad():
        next(model.head.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="finite features and answers"):
        ccnet(model, spec, people, source="Figures", progress=False)
