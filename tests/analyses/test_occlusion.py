import pytest
import torch

from poserior.analyses import occlusion
from poserior.analyses.occlusion import covered
from poserior.errors import InputError


def leans(known):
    """Answers 2 px beside each label; a covered left hand is 6 px off, the nose then 3 px off and twice as wide."""

    def answer(pictures):
        x, y = known.POINTS.long().unbind(-1)
        grey = pictures[:, 0, y, x] < 0.75  # (B, K)
        off = torch.full((len(pictures), 3), 2.0)
        off[:, 0] += 4 * grey[:, 0]
        off[:, 2] += 1 * grey[:, 0]
        points = known.POINTS.expand(len(pictures), 3, 2).clone()
        points[..., 0] += off
        width = torch.full((len(pictures), 3), 0.1)
        width[:, 2] *= 1 + grey[:, 0]
        return known.normalised(points), width[..., None] / torch.tensor([known.WIDTH, known.HEIGHT])

    return known.model(answer)


@pytest.mark.parametrize("batch_size", [1, 9])
def test_the_matrix_of_a_model_that_leans_on_one_point(known, batch_size):
    result = occlusion(leans(known), known.spec, known.Same(5), 0.2, batch_size, progress=False)
    error = torch.tensor([[6.0, 2.0, 3.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]])
    torch.testing.assert_close(result.error, error, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.error_ratio, error / 2, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.uncovered_error, torch.full((3,), 2.0), atol=1e-4, rtol=0)
    spread = 0.1 * 2**0.5  # the root of two variances of 0.1 px
    torch.testing.assert_close(result.uncovered_spread, torch.full((3,), spread))
    ratio = torch.ones(3, 3)
    ratio[0, 2] = 2
    torch.testing.assert_close(result.spread_ratio, ratio)
    torch.testing.assert_close(result.count, torch.full((3, 3), 5.0))


def test_unlabelled_points_count_nowhere(known):
    def change(index):
        return {"visibility": torch.tensor([0 if index < 2 else 2, 2, 0])}

    result = occlusion(leans(known), known.spec, known.Same(5, change), progress=False)
    assert result.count.tolist() == [[3, 3, 0], [3, 5, 0], [0, 0, 0]]
    assert result.error.isnan().tolist() == [[False, False, True]] * 2 + [[True] * 3]


def test_a_point_outside_of_the_crop_is_not_covered(known):
    def change(index):
        return {"keypoints": torch.tensor([[-3.0, 10.0], [22.0, 10.0], [15.0, 30.0]])}

    result = occlusion(leans(known), known.spec, known.Same(2, change), progress=False)
    assert result.count.tolist() == [[0, 0, 0], [2, 2, 2], [2, 2, 2]]


def test_squares_lie_where_they_should():
    images = torch.zeros(1, 3, 6, 8, dtype=torch.uint8)
    shown = covered(images, torch.tensor([[[3.0, 2.0], [100.0, 2.0]]]), torch.tensor([2.0]))
    expected = torch.zeros(6, 8, dtype=torch.uint8)
    expected[1:3, 2:4] = 128  # pixel centres 1.5, 2.5 and 2.5, 3.5
    assert torch.equal(shown[0, 0], expected.expand(3, 6, 8))
    assert not shown[0, 1].any()


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan")])
def test_bad_sizes(known, size):
    with pytest.raises(InputError, match="square's size"):
        occlusion(leans(known), known.spec, known.Same(), size, progress=False)
