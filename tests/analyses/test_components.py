import math

import pytest
import torch
from scipy import stats

from poserior import skeletons
from poserior.analyses import (
    FoundObjects,
    TrueObjects,
    describe_components,
    read_learning,
    scale_split,
    spread_split,
    view_split,
)
from poserior.analyses.component_scale import by_scale
from poserior.analyses.component_statistics import cramers_v, mutual_information
from poserior.errors import InputError
from poserior.skeletons import Skeleton

SIDES = Skeleton("sides", ("nose", "left_hand", "right_hand"), (), (("left_hand", "right_hand"),), (0.03, 0.06, 0.06))


def found(component, scale=None, match=None, modes=3, score=None, spread=None, offsets=None, category=None):
    component = torch.tensor(component)
    count = len(component)
    return FoundObjects(
        score=torch.full((count,), 0.9) if score is None else torch.tensor(score),
        category=torch.zeros(count, dtype=torch.int64) if category is None else torch.tensor(category),
        component=component,
        weights=torch.nn.functional.one_hot(component, modes).float(),
        scale=torch.ones(count) if scale is None else torch.tensor(scale),
        spread=torch.full((count, 2), torch.nan) if spread is None else torch.tensor(spread),
        offsets=torch.zeros(count, 0, 2) if offsets is None else torch.tensor(offsets),
        match=torch.arange(count) if match is None else torch.tensor(match),
    )


def true(scale, category=None, visibility=None, facing=None):
    count = len(scale)
    return TrueObjects(
        torch.tensor(scale),
        torch.zeros(count, dtype=torch.int64) if category is None else torch.tensor(category),
        torch.zeros(count, 0, dtype=torch.int64) if visibility is None else torch.tensor(visibility),
        torch.full((count,), torch.nan) if facing is None else torch.tensor(facing),
    )


def test_correlation_of_component_and_scale_against_scipy():
    scale = [10.0, 12.0, 30.0, 50.0, 100.0, 220.0]
    category = [0, 1, 1, 0, 2, 1]
    at_truth = found([2, 2, 0, 0, 1, 1], scale=[1.0] * 6, match=[0, 1, 2, 3, 4, 5])
    split = scale_split(found([1, 1, 2], scale=[200.0, 100.0, 9.0]), at_truth, true(scale, category))
    rank = [0, 0, 1, 1, 2, 2]  # component 2 has the smallest objects, then 0, then 1
    assert split.order.tolist() == [2, 0, 1]
    assert split.pearson == pytest.approx(stats.pearsonr(rank, scale).statistic)
    assert split.spearman == pytest.approx(stats.spearmanr(rank, scale).statistic)
    assert split.pearson_category == pytest.approx(stats.pearsonr(rank, category).statistic)
    table = stats.contingency.crosstab(rank, category).count
    assert split.category_v == pytest.approx(stats.contingency.association(table, method="cramer"))
    assert split.count == 6


def test_rates_histograms_and_quantiles_of_scale_by_hand():
    truth = true([16.0, 31.9, 32.0, 95.0, 96.0])
    split = scale_split(
        found([0, 0, 2, 0], scale=[20.0, 40.0, 300.0, 100.0], modes=4), found([0, 2], match=[0, 4]), truth, 7
    )
    assert split.order.tolist() == [0, 2, 1, 3]
    assert split.rate.tolist() == [0.75, 0.25, 0, 0]
    torch.testing.assert_close(split.true_rate, torch.tensor([0.4, 0.4, 0.2]))
    torch.testing.assert_close(split.found_rate[:2], torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0, 0, 1]]))
    assert split.found_rate[2:].isnan().all()
    assert split.quantiles[0, 2].item() == 40
    assert split.true_quantiles[2].item() == 32
    assert split.found.shape == (4, 7)
    assert split.found.sum(1).tolist() == [0.75, 0.25, 0, 0]
    assert split.truth.sum().item() == pytest.approx(1)
    assert split.edges[0].item() == pytest.approx(16)
    assert split.edges[-1].item() == pytest.approx(2**8.5)  # half octaves about 16..300
    first = (torch.tensor([16.0, 31.9, 32.0]) < split.edges[1]).float().mean() * 3 / 5
    assert split.truth[0].item() == pytest.approx(first.item())


def test_what_found_nothing_has_no_numbers_and_no_error():
    nothing = FoundObjects(
        torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2),
        torch.zeros(0), torch.zeros(0, 2), torch.zeros(0, 3, 2), torch.zeros(0, dtype=torch.int64),
    )  # fmt: skip
    result = describe_components(nothing, nothing, true([5.0], visibility=[[2, 2, 0]]), ("person",), SIDES)
    assert result.predictions == 0
    assert math.isnan(result.scale.pearson)
    assert result.spread.mean.isnan().all()
    assert result.view.rate.isnan().all()


def test_unmatched_predictions_do_not_correlate():
    truth = true([10.0, 20.0, 40.0])
    some = scale_split(found([0, 1]), found([0, 0, 1, 1, 0], match=[0, 1, 2, -1, -1], modes=2), truth)
    assert some.count == 3
    assert some.pearson == pytest.approx(stats.pearsonr([0, 0, 1], [10, 20, 40]).statistic)


def test_components_without_objects_come_last():
    assert by_scale(torch.tensor([3, 3, 0]), torch.tensor([1.0, 2.0, 0.5]), 5).tolist() == [0, 3, 1, 2, 4]


def test_spread_and_signs_of_offsets_by_hand():
    spread = [[1.0, 2.0], [3.0, 6.0], [10.0, 20.0]]
    offsets = [
        [[0.0, -1.0], [1.0, -1.0], [-1.0, 2.0]],
        [[0.0, -1.0], [2.0, 1.0], [0.5, 2.0]],
        [[0.0, -1.0], [-3.0, 0.0], [4.0, -2.0]],
    ]
    split = spread_split(found([0, 0, 2], spread=spread, offsets=offsets), SIDES)
    torch.testing.assert_close(split.rate, torch.tensor([2 / 3, 0, 1 / 3]))
    assert split.mean[0].tolist() == [2, 4]
    torch.testing.assert_close(split.std[0], torch.tensor([2**0.5, 8**0.5]))
    assert split.std[1:].isnan().all()  # nobody, and one alone
    assert split.mean[2].tolist() == [10, 20]
    assert split.left[0].tolist() == [1, 0.5]
    assert split.right[0].tolist() == [0.5, 1]
    assert split.left[2].tolist() == [0, 0]  # 0 is not positive
    assert split.right[2].tolist() == [1, 0]
    assert split.left[1].isnan().all()
    assert spread_split(found([0, 1], spread=spread[:2]), None).left.isnan().all()


def test_view_by_hand():
    skeleton = skeletons.load("coco17")
    visibility = torch.zeros(5, 17, dtype=torch.int64)
    visibility[0, :10] = 2  # 10 labels, face seen
    visibility[1, :6] = 2
    visibility[1, 0] = 1  # 6 labels, nose occluded
    visibility[2, 1:11] = 1  # 10 labels, all occluded
    visibility[3, :5] = 2  # too few labels
    visibility[4, :8] = 2
    truth = true([1.0] * 5, visibility=visibility.tolist(), facing=[1.0, -1.0, -1.0, 1.0, math.nan])
    predictions = found([0, 1, 1, 0], score=[0.9, 0.6, 0.7, 0.4], modes=2)
    at_truth = found([0, 1, 0, 0, 1], match=[0, 1, 2, 3, 4], modes=2)
    split = view_split(predictions, at_truth, truth, skeleton)
    assert split.people.tolist() == [4, 2]
    assert split.occluded.tolist() == pytest.approx([11 / 34, 0.5])
    assert split.face.tolist() == [0.5, 0.5]
    assert split.predictions.tolist() == [3, 2]
    torch.testing.assert_close(split.rate, torch.tensor([[1 / 3, 2 / 3], [0.5, 0.5]]))
    assert split.known == 4
    torch.testing.assert_close(split.front, torch.tensor([2 / 3, 0.0]))
    leads, front = [1, 0, 1, 1], [1, 0, 0, 1]
    phi = stats.pearsonr(leads, front).statistic
    assert split.phi.tolist() == pytest.approx([phi, -phi])
    chi = stats.chi2_contingency([[2, 1], [0, 1]], correction=False).statistic
    assert abs(phi) == pytest.approx((chi / 4) ** 0.5)
    face = stats.pearsonr([1, 0, 1, 0], [1, 0, 0, 1]).statistic  # of the four with 6 labels and more
    assert split.face_phi.tolist() == pytest.approx([face, -face], abs=1e-6)
    assert split.entropy == pytest.approx(1)
    known = 1 - (3 / 4) * stats.entropy([2 / 3, 1 / 3], base=2)
    assert split.information == pytest.approx(known)


def test_mutual_information_and_cramers_v_of_independent_things_are_zero():
    component = torch.tensor([0, 0, 1, 1])
    fact = torch.tensor([4, 9, 4, 9])
    assert mutual_information(component, fact) == pytest.approx(0, abs=1e-12)
    assert cramers_v(component, fact) == pytest.approx(0, abs=1e-12)
    assert math.isnan(cramers_v(component, torch.ones(4, dtype=torch.int64)))


def test_a_single_mode_has_no_components_to_speak_of():
    one = found([0, 0], modes=1, scale=[5.0, 6.0], spread=[[1.0, 1.0], [2.0, 2.0]])
    result = describe_components(one, one, true([5.0, 6.0]), ("ball",), None, least_score=0.95)
    assert (result.components, result.truths, result.predictions) == (1, 2, 0)
    assert result.scale is None
    assert result.view is None
    plain = found([0, 0], modes=1)
    assert describe_components(plain, plain, true([5.0, 6.0]), ("ball",), None).spread is None


def test_a_run_log_is_read(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,step,train_loss,val_loss,val_AP\n1,10,3.5,2.5,\n2,20,3.0,2.25,0.5\n")
    curve = read_learning(log)
    assert curve.epoch == (1, 2)
    assert list(curve.values) == ["loss", "AP"]
    assert curve.values["loss"] == (2.5, 2.25)
    assert math.isnan(curve.values["AP"][0])
    assert curve.values["AP"][1] == 0.5
    assert read_learning(tmp_path / "none.csv") is None
    log.write_text("step,val_loss\n1,2\n")
    with pytest.raises(InputError, match="expected a column epoch"):
        read_learning(log)
