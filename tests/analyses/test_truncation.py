import pytest
import torch

from poserior.analyses import truncation
from poserior.analyses.truncation import cut_off
from poserior.errors import InputError


def centre(known):
    return known.model(lambda pictures: (torch.zeros(len(pictures), 3, 2), torch.full((len(pictures), 3, 2), 0.1)))


def test_a_model_that_says_the_centre(known):
    """The crop's centre is (15, 20) px, and (15, 10) where the box ends at half its height (20 px)."""
    result = truncation(centre(known), known.spec, known.Same(3), [0.5], progress=False)
    assert result.cuts == (0.0, 0.5)
    whole = [149**0.5, 149**0.5, 10.0]  # (7, 10), (7, 10), (0, 10)
    assert result.count.tolist() == [[9, 0], [6, 3]]
    assert result.error[0, 0].item() == pytest.approx(sum(whole) / 3)
    assert result.error[1].tolist() == pytest.approx([7.0, 20.0])  # hands are 7 px beside it, the nose 20 px below
    assert result.uncut_error[1].tolist() == pytest.approx([149**0.5, 10.0])
    # the crop stays 30 px wide and 40 px high (the box's aspect is filled up), so the spread does not shrink
    assert result.spread[1].tolist() == pytest.approx([5.0, 5.0])  # 0.1 of 30 and 40 px
    assert result.found[1].tolist() == pytest.approx([1.0, 0.0])
    assert result.error[0, 1].isnan()


@pytest.mark.parametrize(("side", "outside"), [("top", 2), ("left", 1), ("right", 1), ("bottom", 1)])
def test_every_side_with_the_box_kept(known, side, outside):
    """The model's answer stays at the whole box's centre, (15, 20) px."""
    result = truncation(centre(known), known.spec, known.Same(2), [0.4], side, "box", progress=False)
    assert result.count[1].tolist() == [2 * (3 - outside), 2 * outside]
    gone = {"top": 149**0.5, "left": 149**0.5, "right": 149**0.5, "bottom": 10.0}
    assert result.error[1, 1].item() == pytest.approx(gone[side])
    assert result.uncut_error[1, 1].item() == pytest.approx(gone[side])


def test_what_is_cut_is_black(known):
    person = known.Same()[0]
    for side, rest in {
        "bottom": (slice(0, 30), slice(None)),
        "top": (slice(10, None), slice(None)),
    }.items():
        cut = cut_off(person, 0.25, side, "rest")
        white = torch.zeros(40, 30, 3, dtype=torch.uint8)
        white[rest] = 255
        assert torch.equal(cut.image, white)
    assert cut.box_xyxy.tolist() == [0.0, 10.0, 30.0, 40.0]
    assert cut_off(person, 0.25, "left", "box").box_xyxy.tolist() == [0.0, 0.0, 30.0, 40.0]
    assert person.image.min() == 255  # the picture itself is untouched


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cuts": [1.0]}, r"cuts as shares of the box in \[0, 1\)"),
        ({"cuts": [float("nan")]}, "cuts as shares"),
        ({"side": "botom"}, "side among bottom, top, left, right, found 'botom'"),
        ({"keep": "all"}, "keep among rest, box"),
    ],
)
def test_bad_input(known, options, words):
    with pytest.raises(InputError, match=words):
        truncation(centre(known), known.spec, known.Same(), progress=False, **options)


def test_nobody(known):
    with pytest.raises(InputError, match="at least one labelled person"):
        truncation(centre(known), known.spec, known.Same(0), progress=False)
