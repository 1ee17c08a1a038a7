import numpy as np
import pytest
import torch

from poserior.analyses import confidence
from poserior.analyses.confidence import blurred
from poserior.errors import InputError


def honest(known, factor=1.0):
    """Off by 1 px, and by 4 px where the picture at the label has changed; says `factor` times so."""

    def answer(pictures):
        x, y = known.POINTS.long().unbind(-1)
        hidden = (pictures[:, 0, y, x] < 0.99).float()  # (B, K)
        off = 1 + 3 * hidden
        points = known.POINTS.expand(len(pictures), 3, 2).clone()
        points[..., 0] += off
        sides = torch.tensor([known.WIDTH, known.HEIGHT])
        return known.normalised(points), (factor * off)[..., None] / sides

    return known.model(answer)


def test_oks_and_confidence_under_the_patch_by_hand(known):
    result = confidence(honest(known), known.spec, known.Same(3), (0.1, 0.3), "grey", batch_size=5, progress=False)
    assert result.sizes == (0.0, 0.1, 0.3)
    assert result.keypoints == ("left", "right", "nose")
    off = torch.tensor([1.0, 4.0, 4.0])
    width = 2 * np.array([0.06, 0.06, 0.03])
    oks = torch.stack([torch.exp(-(off**2) / (2 * w**2 * 600)) for w in width], 1).float()
    torch.testing.assert_close(result.joints.oks, oks, atol=1e-4, rtol=0)
    area = known.spec.area_per_box * known.WIDTH * known.HEIGHT  # the model knows only the box
    sure = torch.stack([w**2 * area / (w**2 * area + off**2) for w in width], 1).float()
    torch.testing.assert_close(result.joints.confidence, sure, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.joints.error, off[:, None].expand(3, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(result.joints.spread, (2**0.5 * off)[:, None].expand(3, 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(result.together.oks[:, 0], oks.mean(1), atol=1e-4, rtol=0)
    assert result.together.count.tolist() == [9]
    lower = torch.quantile(oks.repeat(1, 3), 0.25, dim=1)  # of three people alike
    torch.testing.assert_close(result.together.oks_quartiles[:, 0, 0], lower, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.metrics["EPE"], 1.0, atol=1e-4, rtol=0)
    assert result.metrics["confidence"] == pytest.approx(sure[0].mean().item(), abs=1e-4)


def test_only_the_chosen_joint_is_covered_and_only_where_it_can_be(known):
    def change(index):
        return {"visibility": torch.tensor([2, 0 if index == 0 else 2, 2])}

    names = ["nose", "right"]
    result = confidence(honest(known), known.spec, known.Same(4, change), (0.2,), "grey", names, progress=False)
    assert result.keypoints == ("nose", "right")
    assert result.joints.count.tolist() == [4, 3]
    torch.testing.assert_close(result.joints.error[1], torch.full((2,), 4.0), atol=1e-4, rtol=0)
    assert result.ece.shape == result.pearson.shape == (2,)


def test_calibration_error_of_the_covered_joint(known):
    truth = honest(known).head.answer
    blind = known.model(lambda pictures: (truth(pictures)[0], torch.full((len(pictures), 3, 2), 0.02)))
    result = confidence(blind, known.spec, known.Same(4), (0.3,), "grey", progress=False)
    gap = (result.joints.confidence - result.joints.oks).abs()
    torch.testing.assert_close(result.joints.confidence[0], result.joints.confidence[1])
    assert result.ece[1] > 0.3
    assert (gap[1] > gap[0]).any()


def test_a_white_picture_blurred_stays_white_and_detail_is_gone():
    white = torch.full((2, 3, 20, 16), 255, dtype=torch.uint8)
    assert torch.equal(blurred(white), white)
    dots = torch.zeros(1, 3, 40, 30, dtype=torch.uint8)
    dots[:, :, ::2, ::2] = 255
    shown = blurred(dots).float()[..., 8:-8, 8:-8]
    assert (shown - 255 / 4).abs().max() < 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"sizes": (0.1, -1.0)}, "expected patch sizes as shares of the box"),
        ({"sizes": (float("nan"),)}, "expected patch sizes as shares of the box"),
        ({"patch": "black"}, "expected a patch among blur, grey, found 'black'"),
        ({"keypoints": ["tail"]}, r"expected keypoints of hands \(left, right, nose\), found 'tail'"),
        ({"keypoints": []}, "found none"),
    ],
)
def test_bad_input(known, words, message):
    with pytest.raises(InputError, match=message):
        confidence(honest(known), known.spec, known.Same(), progress=False, **words)
