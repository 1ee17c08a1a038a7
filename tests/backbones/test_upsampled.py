import huggingface_hub.constants
import pytest
import safetensors.torch
import timm
import torch
from torch import nn
from torch.nn import functional

from poserior.backbones import Upsampled, multiply_adds
from poserior.errors import InputError


@pytest.mark.parametrize(
    ("name", "options", "stride", "divisor"),
    [
        ("resnet10t", {}, 4, 32),
        ("resnet10t", {"stride": 2, "depthwise": True}, 2, 32),
        ("resnet10t", {"options": {"output_stride": 16}}, 4, 16),
        ("mobilenetv3_small_050", {"depthwise": True}, 4, 32),
        ("mobilenetv3_small_050", {"options": {"out_indices": (1, 2, 3)}}, 4, 16),
        ("convnext_atto", {"options": {"depths": (1, 1, 1, 1)}}, 4, 32),
        ("swin_tiny_patch4_window7_224", {"options": {"depths": (1, 1, 1, 1)}, "image_size": (128, 256)}, 4, 32),
    ],
)
def test_one_map_of_the_promised_shape(name, options, stride, divisor) -> None:
    backbone = Upsampled(name, channels=24, **options).eval()
    assert (backbone.out_channels, backbone.stride, backbone.size_divisor, backbone.stacks) == (24, stride, divisor, 1)
    images = torch.rand(2, 3, 128, 256)
    with torch.no_grad():
        (both,) = backbone(images)
        (alone,) = backbone(images[1:])
    assert both.shape == (2, 24, 128 // stride, 256 // stride)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-3)
    assert not torch.equal(both[0], both[1])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        # timm starts blocks at zero, whose insides learn nothing at first
        ("resnet10t", {"options": {"zero_init_last": False}}),
        ("mobilenetv3_small_050", {"depthwise": True}),
        ("convnext_atto", {"options": {"depths": (1, 1, 1, 1)}}),
        ("swin_tiny_patch4_window7_224", {"options": {"depths": (1, 1, 1, 1)}, "image_size": (64, 96)}),
    ],
)
def test_gradients_reach_every_parameter(name, options, idle_parameters) -> None:
    torch.manual_seed(0)
    assert idle_parameters(Upsampled(name, channels=16, **options), torch.rand(2, 3, 64, 96)) == []


def test_moving_the_picture_moves_the_map_a_cell_in_four_pixels(on_a_torus) -> None:
    torch.manual_seed(0)
    backbone = on_a_torus(Upsampled("mobilenetv3_small_050", channels=16))
    images = torch.rand(1, 3, 128, 192)
    with torch.no_grad():
        (before,) = backbone(images)
        (after,) = backbone(images.roll((32, 64), (2, 3)))
    torch.testing.assert_close(before.roll((8, 16), (2, 3)), after, atol=1e-5, rtol=1e-3)
    assert not torch.allclose(before, after, atol=1e-4)


def test_the_sum_by_hand() -> None:
    torch.manual_seed(0)
    backbone = Upsampled("resnet10t", channels=16, options={"out_indices": (1, 2, 3)}).eval()
    images = torch.rand(2, 3, 64, 96)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        fine, middle, coarse = backbone.body((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        a, b, c = backbone.laterals

        def doubled(x):
            return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

        x = backbone.smooths[1](b(middle) + doubled(c(coarse)))
        x = backbone.smooths[0](a(fine) + doubled(x))
        torch.testing.assert_close(backbone(images)[0], x, atol=1e-5, rtol=1e-4)
        one = functional.conv2d(fine, a[0].weight)
    torch.testing.assert_close(a(fine), one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("depthwise", [False, True])
def test_parameters_and_multiply_adds_by_hand(depthwise) -> None:
    with torch.device("meta"):
        backbone = Upsampled("resnet18", channels=64, depthwise=depthwise)
    trunk = 11_689_512 - (512 * 1000 + 1000)  # the published classifier without its last layer
    laterals = 64 * (64 + 128 + 256 + 512) + 4 * 2 * 64
    weights, norms = (9 * 64 + 64 * 64, 4 * 64) if depthwise else (9 * 64 * 64, 2 * 64)
    assert sum(p.numel() for p in backbone.parameters()) == trunk + laterals + 3 * (weights + norms)
    cells = [64 * 96 // 4**n for n in (2, 3, 4, 5)]
    added = sum(64 * c * n for c, n in zip((64, 128, 256, 512), cells, strict=True)) + weights * sum(cells[:3])
    with torch.device("meta"):
        alone = Upsampled("resnet18", channels=1)
    of_alone = sum(c * n for c, n in zip((64, 128, 256, 512), cells, strict=True)) + 9 * sum(cells[:3])
    assert multiply_adds(backbone, (64, 96)) - added == multiply_adds(alone, (64, 96)) - of_alone
    # resnet18: 1.81 G for 224 x 224 pixels with the last layer, and in proportion to the pixels
    assert multiply_adds(backbone, (224, 224)) - added * 49 * 1024 / (64 * 96) == pytest.approx(1.8136e9, rel=1e-3)


def test_training_in_bf16_stays_finite() -> None:
    backbone = Upsampled("resnet10t", channels=16)
    with torch.autocast("cpu", torch.bfloat16):
        (only,) = backbone(torch.rand(2, 3, 64, 96))
    only.float().square().sum().backward()
    assert only.isfinite().all()
    assert all(bool(p.grad.isfinite().all()) for p in backbone.parameters())


def test_weights_from_a_file(tmp_path) -> None:
    whole = timm.create_model("resnet10t", num_classes=7).eval()
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(whole.state_dict(), path)
    backbone, images = Upsampled("resnet10t", weights=path).eval(), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        images = backbone.normalise(images)
        torch.testing.assert_close(backbone.body(images)[-1], whole.forward_features(images), atol=1e-4, rtol=1e-4)
    torch.save(nn.Linear(2, 3).state_dict(), tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"all weights of resnet10t in .*other\.pth"):
        Upsampled("resnet10t", weights=tmp_path / "other.pth")


def test_offline_the_error_names_the_way_out(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"pretrained weights of resnet10t .*weights=FILE.*pretrained=false"):
        Upsampled("resnet10t", pretrained=True, options={"cache_dir": str(tmp_path)})


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(InputError, match=r"timm knows, found 'resnt18'; did you mean .*resnet18"):
        Upsampled("resnt18")
    with pytest.raises(InputError, match=r"pyramid of maps from stride 4 on, found maps of strides \[16, 16, 16\]"):
        Upsampled("vit_tiny_patch16_224", options={"depth": 3})
    with pytest.raises(InputError, match=r"stride 3 on, found maps of strides \[2, 4, 8, 16, 32\] in resnet10t"):
        Upsampled("resnet10t", stride=3)
    with pytest.raises(InputError, match="resnet10t does not take the options"):
        Upsampled("resnet10t", options={"colour": "blue"})
    with pytest.raises(InputError, match="positive number of channels, found 0"):
        Upsampled("resnet10t", channels=0)
    with pytest.raises(InputError, match=r"multiples of 32 pixels .* found 64 x 80"):
        Upsampled("resnet10t")(torch.rand(1, 3, 64, 80))
    swin = {"name": "swin_tiny_patch4_window7_224", "options": {"depths": (1, 1, 1, 1)}}
    with pytest.raises(InputError, match=r"image_size=\(H, W\) for swin"):
        Upsampled(**swin)
    with pytest.raises(InputError, match=r"expected pictures of \(64, 96\).* found \(96, 64\)"):
        Upsampled(**swin, image_size=(64, 96))(torch.rand(1, 3, 96, 64))
