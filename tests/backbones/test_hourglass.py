from itertools import pairwise

import pytest
import torch

from poserior.backbones import Hourglass104, multiply_adds
from poserior.errors import InputError


def tiny(stacks: int = 2) -> Hourglass104:
    torch.manual_seed(0)
    return Hourglass104(stacks, dims=(6, 8, 10), modules=(1, 2, 1), channels=12, stem=4)


def test_one_map_of_every_stack() -> None:
    hourglass = tiny().eval()
    assert (hourglass.out_channels, hourglass.stride, hourglass.size_divisor, hourglass.stacks) == (12, 4, 16, 2)
    with torch.no_grad():
        first, second = hourglass(torch.rand(2, 3, 112, 64))
    assert first.shape == second.shape == (2, 12, 28, 16)
    assert not torch.allclose(first, second)
    assert Hourglass104(dims=(4,) * 6, modules=(1,) * 6, channels=5, stem=4).size_divisor == 128


def test_full_depth_at_tiny_width() -> None:
    hourglass = Hourglass104(1, dims=(4, 4, 6, 6, 6, 8), modules=(1, 1, 1, 1, 1, 2), channels=5, stem=4).eval()
    with torch.no_grad():
        (only,) = hourglass(torch.rand(2, 3, 128, 256))
    assert only.shape == (2, 5, 32, 64)


def test_the_second_stack_reads_the_firsts_map_and_its_input() -> None:
    hourglass, images = tiny().eval(), torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        first, second = hourglass(images)
        hourglass.from_map[0][0].weight.zero_()
        unmoved, without_map = hourglass(images)
        hourglass.from_before[0][0].weight.zero_()
        _, without_both = hourglass(torch.rand(1, 3, 32, 48))
        _, of_another = hourglass(images)
    assert torch.equal(first, unmoved)
    assert not torch.allclose(second, without_map)
    assert torch.equal(without_both, of_another)  # nothing of the picture is left


def test_gradients_reach_every_parameter(idle_parameters) -> None:
    assert idle_parameters(tiny(), torch.rand(2, 3, 48, 64)) == []


def test_the_first_map_alone_teaches_its_own_stack_only() -> None:
    hourglass = tiny()
    hourglass(torch.rand(2, 3, 32, 48))[0].square().sum().backward()
    untaught = {name.split(".")[0] for name, p in hourglass.named_parameters() if p.grad is None}
    assert untaught == {"hourglasses", "outs", "from_before", "from_map", "merged"}
    assert all(p.grad is not None for p in hourglass.hourglasses[0].parameters())
    assert all(p.grad is None for p in hourglass.hourglasses[1].parameters())


def test_moving_the_picture_moves_the_maps_a_cell_in_four_pixels(on_a_torus) -> None:
    hourglass, images = on_a_torus(tiny()), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        before = hourglass(images)
        after = hourglass(images.roll((16, 32), (2, 3)))
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a.roll((4, 8), (2, 3)), b, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(a, b, atol=1e-3)


def _residual(i: int, o: int, projected: bool) -> int:
    """Two 3 x 3 convolutions with their normalisations, and the projection with its own."""
    return 9 * i * o + 9 * o * o + 4 * o + projected * (i * o + 2 * o)


def test_parameters_of_the_full_network() -> None:
    dims, count = (256, 256, 384, 384, 384, 512), 0
    for c, d in pairwise(dims):  # two blocks each: across, down, back
        count += 2 * _residual(c, c, False)
        count += _residual(c, d, True) + _residual(d, d, False)
        count += _residual(d, d, False) + _residual(d, c, c != d)
    count += 4 * _residual(512, 512, False)
    out = 9 * 256 * 256 + 2 * 256
    stem = 7 * 7 * 3 * 128 + 2 * 128 + _residual(128, 256, True)
    merging = 2 * (256 * 256 + 2 * 256) + _residual(256, 256, False)
    with torch.device("meta"):
        for stacks, expected in ((1, stem + count + out), (2, stem + 2 * (count + out) + merging)):
            assert sum(p.numel() for p in Hourglass104(stacks).parameters()) == expected
    assert expected == 187_700_352


def test_multiply_adds_by_hand() -> None:
    with torch.device("meta"):
        small = Hourglass104(1, dims=(6, 8), modules=(1, 2), channels=10, stem=4)
    half, quarter, eighth = 16 * 24, 8 * 12, 4 * 6  # cells of pictures of 32 x 48
    stem = half * 49 * 3 * 4 + quarter * (9 * 4 * 6 + 9 * 6 * 6 + 4 * 6)
    hourglass = quarter * 2 * 9 * 36 + eighth * (9 * 6 * 8 + 9 * 64 + 6 * 8) + eighth * 4 * 9 * 64
    back = eighth * (9 * 8 * 6 + 9 * 36 + 8 * 6)
    assert multiply_adds(small, (32, 48)) == stem + hourglass + back + quarter * 9 * 6 * 10


def test_training_in_bf16_stays_finite() -> None:
    hourglass = tiny()
    with torch.autocast("cpu", torch.bfloat16):
        maps = hourglass(torch.rand(2, 3, 32, 48))
    torch.stack([a.float().square().sum() for a in maps]).sum().backward()
    assert all(bool(a.isfinite().all()) for a in maps)
    assert all(bool(p.grad.isfinite().all()) for p in hourglass.parameters())


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(InputError, match=r"multiples of 16 pixels .* found 40 x 64"):
        tiny()(torch.rand(1, 3, 40, 64))
    with pytest.raises(InputError, match=r"as many dims as modules .* found 3 and 2"):
        Hourglass104(dims=(4, 4, 4), modules=(1, 1))
    with pytest.raises(InputError, match=r"positive whole numbers .* stacks 0"):
        Hourglass104(0, dims=(4, 4), modules=(1, 1))
    with pytest.raises(InputError, match=r"modules \(1, 0\)"):
        Hourglass104(dims=(4, 4), modules=(1, 0))
