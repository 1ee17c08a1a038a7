import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou

from poserior.dense.expected_iou import concentric_iou, expected_iou
from poserior.distributions import FullGaussian, Gaussian, GaussianMixture, Laplace

sides = st.floats(0.1, 50)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_concentric_iou_is_torchvisions_of_boxes_with_one_centre(a, b):
    a, b = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    middle = torch.tensor([3.0, -7.0], dtype=torch.float64)
    box_a, box_b = (torch.cat([middle - side / 2, middle + side / 2])[None] for side in (a, b))
    assert concentric_iou(a, b).item() == pytest.approx(box_iou(box_a, box_b).item(), abs=1e-9)
    assert concentric_iou(a, b).item() == concentric_iou(b, a).item()


def test_sides_that_are_not_positive_overlap_nothing():
    size = torch.tensor([[4.0, 2.0], [0.0, 3.0], [-1.0, 3.0], [-2.0, -2.0]])
    assert concentric_iou(size, torch.tensor([4.0, 4.0])).tolist() == [0.5, 0, 0, 0]
    assert concentric_iou(size[2:], size[2:]).tolist() == [0, 0]


def test_by_hand_where_only_the_width_is_uncertain():
    """With the height known IoU is min(w, x) / max(w, x): with s << w about 1 - E|x - w| / w, E|.| = s sqrt(2 / pi)."""
    law = Gaussian(torch.tensor([100.0, 60.0]).double(), torch.tensor([2.0, 1e-6]).double())
    assert expected_iou(law, torch.tensor([100.0, 60.0]).double()).item() == pytest.approx(
        1 - 0.02 * math.sqrt(2 / math.pi), abs=5e-4
    )


def test_two_equal_sizes_by_hand():
    """Half the mass is a box of the answer's size, half one four times as large: (1 + 1 / 4) / 2."""
    loc = torch.tensor([[10.0, 20.0], [20.0, 40.0]])
    law = GaussianMixture(torch.zeros(2), loc, 1e-4 * torch.eye(2).expand(2, 2, 2))
    assert expected_iou(law, torch.tensor([10.0, 20.0])).item() == pytest.approx(0.625, abs=1e-4)


@pytest.mark.parametrize(
    "law",
    [
        Gaussian(torch.tensor([[9.0, 30.0], [40.0, 7.0]]), torch.tensor([[4.0, 3.0], [2.0, 5.0]])),
        Laplace(torch.tensor([[9.0, 30.0], [40.0, 7.0]]), torch.tensor([[4.0, 3.0], [2.0, 5.0]])),
        FullGaussian(
            torch.tensor([[9.0, 30.0], [40.0, 7.0]]), torch.tensor([[[4.0, 0.0], [3.0, 2.0]]]).expand(2, 2, 2)
        ),
        GaussianMixture(
            torch.tensor([[0.0, 1.0], [0.5, 0.0]]),
            torch.tensor([[[9.0, 30.0], [30.0, 9.0]], [[40.0, 7.0], [20.0, 20.0]]]),
            torch.tensor([3.0, 5.0]).diag_embed().expand(2, 2, 2, 2),
        ),
    ],
    ids=lambda law: type(law).__name__,
)
def test_quadrature_agrees_with_draws(law):
    size = torch.tensor([[11.0, 28.0], [35.0, 9.0]])
    torch.manual_seed(0)
    draws = concentric_iou(size, law.sample((200_000,))).mean(0)
    assert expected_iou(law, size).tolist() == pytest.approx(draws.tolist(), abs=3e-3)
    assert expected_iou(law)[1].item() == pytest.approx(expected_iou(law, law.mode)[1].item())


def test_a_surer_density_promises_more_and_none_promises_more_than_one():
    size = torch.tensor([20.0, 30.0])
    found = [expected_iou(Gaussian(size, torch.tensor([s, s])), size).item() for s in (1e-6, 0.5, 2.0, 8.0, 30.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(1, abs=1e-4)
    assert all(0 < value <= 1 for value in found)
