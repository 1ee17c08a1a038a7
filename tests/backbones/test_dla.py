import pytest
import safetensors.torch
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from poserior.backbones import DLA34, multiply_adds
from poserior.backbones.dla import Deformable, Gather, enlarging
from poserior.errors import InputError


def _plain(in_channels: int, channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)


@pytest.mark.parametrize("up", ["deformable", "plain"])
def test_one_map_at_stride_4(up) -> None:
    dla = DLA34(up).eval()
    assert (dla.out_channels, dla.stride, dla.size_divisor, dla.stacks) == (64, 4, 32, 1)
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        (both,) = dla(images)
        (alone,) = dla(images[1:])
    assert both.shape == (2, 64, 16, 24)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-3)
    assert not torch.equal(both[0], both[1])


@pytest.mark.parametrize("up", ["deformable", "plain"])
def test_gradients_reach_every_parameter(up, idle_parameters) -> None:
    torch.manual_seed(0)
    assert idle_parameters(DLA34(up), torch.rand(2, 3, 64, 96)) == []


def test_parameters_by_hand() -> None:
    trunk = 15_742_104 - (512 * 1000 + 1000)  # the published classifier without its last layer

    def join(i: int, o: int, factor: int) -> int:
        return 9 * i * o + 9 * o * o + 2 * 2 * o + o * (2 * factor) ** 2

    gather = join(512, 256, 2) + 2 * join(256, 128, 2) + 4 * join(128, 64, 2) + join(256, 64, 4)
    read = (512 + 2 * 256 + 4 * 128 + 256) + (256 + 2 * 128 + 5 * 64)  # channels read by projections and by nodes
    where = 9 * 27 * read + 16 * 27
    with torch.device("meta"):
        plain, deformable = DLA34("plain"), DLA34("deformable")
    assert sum(p.numel() for p in plain.parameters()) == trunk + gather == 18_529_712
    assert sum(p.numel() for p in deformable.parameters()) == trunk + gather + where == 19_167_776


def test_multiply_adds_of_looking_elsewhere() -> None:
    """Deformable convolutions count as plain ones, and beside them those that tell where to look."""
    with torch.device("meta"):
        plain, deformable = DLA34("plain"), DLA34("deformable")
    pixels = 64 * 96
    rounds = (512 / 32**2 + 256 / 16**2) + 2 * (256 / 16**2 + 128 / 8**2) + 3 * (128 / 8**2 + 64 / 4**2)
    finish = (128 / 8**2 + 64 / 4**2) + (256 / 16**2 + 64 / 4**2)
    assert multiply_adds(deformable, (64, 96)) - multiply_adds(plain, (64, 96)) == 9 * 27 * pixels * (rounds + finish)


@given(factor=st.sampled_from([2, 4, 8]), seed=st.integers(0, 999))
def test_enlarging_begins_as_bilinear_interpolation(factor, seed) -> None:
    x = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        up = enlarging(3, factor)(x)
    expected = functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert up.shape == expected.shape
    inner = (..., slice(factor, -factor), slice(factor, -factor))  # outside of the map are zeros, not its border
    torch.testing.assert_close(up[inner], expected[inner], atol=1e-6, rtol=1e-5)


def test_a_deformable_convolution_begins_as_half_a_plain_one() -> None:
    deformable, x = Deformable(4, 6), torch.randn(2, 4, 5, 7)
    with torch.no_grad():
        plain = functional.conv2d(x, deformable.convolution.weight, padding=1)
        torch.testing.assert_close(deformable(x), plain / 2, atol=1e-5, rtol=1e-4)


def test_displacements_and_weights_do_what_they_say() -> None:
    deformable, x = Deformable(4, 6), torch.randn(2, 4, 5, 7)
    with torch.no_grad():
        assert deformable.where.bias is not None
        deformable.where.bias[:18] = torch.tensor([1.0, 2.0]).repeat(9)  # (down, right) of each of the nine
        deformable.where.bias[18:] = torch.logit(torch.tensor(0.8))
        moved = functional.pad(x, (0, 2, 0, 1))[:, :, 1:, 2:]
        plain = functional.conv2d(moved, deformable.convolution.weight, padding=1)
        inner = (..., slice(1, -2), slice(1, -3))
        torch.testing.assert_close(deformable(x)[inner], 0.8 * plain[inner], atol=1e-5, rtol=1e-4)


def test_gathering_keeps_places() -> None:
    """Something in one cell of the coarsest map comes out where that cell lies."""
    torch.manual_seed(0)
    gather = Gather((3, 4, 5), _plain).eval()
    for layer in gather.modules():
        if isinstance(layer, nn.Conv2d):  # each gives the sum of its channels and looks only straight ahead
            nn.init.zeros_(layer.weight)
            layer.weight.data[..., 1, 1] = 1.0
    maps = [torch.zeros(1, 3, 32, 48), torch.zeros(1, 4, 16, 24), torch.zeros(1, 5, 8, 12)]
    maps[2][0, :, 3, 7] = 1.0
    with torch.no_grad():
        out = gather(maps)[0].sum(0)
    y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(48) + 0.5, indexing="ij")
    assert (out.sum() > 0, maps[0].sum()) == (True, 0)  # what came in is as it was
    torch.testing.assert_close((out * y).sum() / out.sum(), torch.tensor(4 * 3.5))
    torch.testing.assert_close((out * x).sum() / out.sum(), torch.tensor(4 * 7.5))


def test_every_map_is_gathered() -> None:
    gather = Gather((3, 4, 5, 6), _plain)
    maps = [torch.rand(1, c, 32 // 2**n, 48 // 2**n, requires_grad=True) for n, c in enumerate((3, 4, 5, 6))]
    out = gather(maps)
    assert out.shape == (1, 3, 32, 48)
    out.square().sum().backward()
    for a in maps:
        assert a.grad is not None
        assert a.grad.abs().max() > 0


def test_moving_the_picture_moves_the_map_a_cell_in_four_pixels(on_a_torus) -> None:
    torch.manual_seed(0)
    dla, images = on_a_torus(DLA34("plain")), torch.rand(1, 3, 320, 352)
    with torch.no_grad():
        (before,), (after,) = dla(images), dla(images.roll((32, 64), (2, 3)))
    middle = (..., slice(38, 42), slice(40, 48))  # enlarging still has a border, which the nodes' convolutions spread
    torch.testing.assert_close(before.roll((8, 16), (2, 3))[middle], after[middle], atol=1e-5, rtol=1e-3)
    assert not torch.allclose(before[middle], after[middle], atol=1e-3)


@pytest.mark.parametrize("up", ["deformable", "plain"])
def test_training_in_bf16_stays_finite(up) -> None:
    dla = DLA34(up)
    with torch.autocast("cpu", torch.bfloat16):
        (only,) = dla(torch.rand(2, 3, 32, 64))
    only.float().square().sum().backward()
    assert only.isfinite().all()
    assert all(bool(p.grad.isfinite().all()) for p in dla.parameters())


def test_weights_of_the_trunk_from_a_file(tmp_path) -> None:
    whole = timm.create_model("dla34", num_classes=7).eval()
    safetensors.torch.save_file(whole.state_dict(), tmp_path / "trunk.safetensors")
    dla, images = DLA34(weights=tmp_path / "trunk.safetensors").eval(), torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        inside = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
            [0.229, 0.224, 0.225]
        ).view(3, 1, 1)
        torch.testing.assert_close(
            dla.trunk(dla.normalise(images))[-1], whole.forward_features(inside), atol=1e-4, rtol=1e-4
        )


def test_what_does_not_fit_is_told(tmp_path) -> None:
    with pytest.raises(InputError, match="up='deformable' or 'plain' for DLA34, found 'bilinear'"):
        DLA34("bilinear")
    with pytest.raises(InputError, match=r"weights, found none at .*absent\.pth"):
        DLA34(weights=tmp_path / "absent.pth")
    with pytest.raises(InputError, match=r"multiples of 32 pixels .* found 64 x 48"):
        DLA34("plain")(torch.rand(1, 3, 64, 48))
