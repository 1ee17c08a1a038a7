import huggingface_hub.constants
import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from poserior.backbones import Backbone
from poserior.errors import InputError


@pytest.mark.parametrize(
    ("name", "options", "size", "channels", "stride", "grid"),
    [
        ("resnet18", {}, (64, 96), 512, 32, (2, 3)),
        ("resnet18", {"output_stride": 16}, (64, 96), 512, 16, (4, 6)),
        ("resnet18", {"out_indices": (1,)}, (64, 96), 64, 4, (16, 24)),
        ("hrnet_w18_small", {"feature_location": ""}, (64, 96), 128, 32, (2, 3)),
        ("hrnet_w18_small", {"feature_location": "", "out_indices": 1}, (64, 96), 16, 4, (16, 24)),
        ("vit_tiny_patch16_224", {"depth": 2}, (48, 80), 192, 16, (3, 5)),
        ("mobilenetv3_small_050", {}, (64, 96), 288, 32, (2, 3)),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1)}, (64, 96), 768, 32, (2, 3)),
    ],
)
def test_features_have_the_promised_shape_and_vary_with_the_image(name, options, size, channels, stride, grid) -> None:
    backbone = Backbone(name, image_size=size, **options).eval()
    with torch.no_grad():
        images = torch.rand(2, 3, *size)
        features = backbone(images)
        alone = backbone(images[1:])
    assert features.shape == (2, channels, *grid)
    assert (backbone.out_channels, backbone.stride) == (channels, stride)
    torch.testing.assert_close(features[1:], alone, atol=1e-4, rtol=1e-3)
    assert not torch.equal(features[0], features[1])


def test_images_are_normalised_by_the_models_own_numbers() -> None:
    resnet = Backbone("resnet18").eval()
    assert resnet.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert resnet.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])
    vit = Backbone("vit_tiny_patch16_224", image_size=(32, 48), depth=1)
    assert vit.mean.flatten().tolist() == vit.std.flatten().tolist() == [0.5, 0.5, 0.5]
    plain = timm.create_model("resnet18", features_only=True, out_indices=(-1,)).eval()
    plain.load_state_dict(resnet.body.state_dict())
    images = torch.rand(2, 3, 40, 56)
    by_hand = torch.stack(
        [(images[:, i] - m) / s for i, (m, s) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])], 1
    )
    with torch.no_grad():
        torch.testing.assert_close(resnet(images), plain(by_hand)[0], atol=1e-4, rtol=1e-4)
    assert {"mean", "std"} <= resnet.state_dict().keys()


def test_a_transformers_grid_is_its_normalised_patch_tokens_in_order() -> None:
    backbone = Backbone("vit_tiny_patch16_224", image_size=(48, 80), depth=2).eval()
    plain = timm.create_model("vit_tiny_patch16_224", img_size=(48, 80), depth=2, num_classes=0).eval()
    state = {key.removeprefix("model."): value for key, value in backbone.body.state_dict().items()}
    plain.load_state_dict(state)
    images = torch.rand(2, 3, 48, 80)
    with torch.no_grad():
        tokens = plain.forward_features((images - 0.5) / 0.5)[:, 1:]  # without the class token
        features = backbone(images)
    torch.testing.assert_close(features[1, :, 2, 4], tokens[1, 2 * 5 + 4], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(features.flatten(2).mT, tokens, atol=1e-5, rtol=1e-4)


def test_channels_come_first_even_where_the_model_has_them_last() -> None:
    backbone = Backbone("swin_tiny_patch4_window7_224", image_size=(64, 96), depths=(1, 1, 1, 1)).eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        (last,) = backbone.body((images - backbone.mean) / backbone.std)
        assert torch.equal(backbone(images)[0, :, 1, 2], last[0, 1, 2])


def test_gradients_reach_every_weight() -> None:
    backbone = Backbone("mobilenetv3_small_050")
    backbone(torch.rand(2, 3, 64, 96)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_from_a_file(tmp_path, suffix) -> None:
    whole = timm.create_model("resnet18", num_classes=7)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "safetensors":
        safetensors.torch.save_file(whole.state_dict(), path)
    else:
        torch.save(whole.state_dict(), path)
    backbone = Backbone("resnet18", weights=path).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = whole.eval().forward_features((images - backbone.mean) / backbone.std)
        torch.testing.assert_close(backbone(images), expected, atol=1e-4, rtol=1e-4)


def test_files_that_are_no_weights(tmp_path) -> None:
    with pytest.raises(InputError, match=r"resnet18's weights, found none at .*absent\.pth"):
        Backbone("resnet18", weights=tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match=r"weights of resnet18 in .*text\.pth"):
        Backbone("resnet18", weights=tmp_path / "text.pth")
    torch.save(nn.Linear(2, 3).state_dict(), tmp_path / "other.pth")
    with pytest.raises(
        InputError, match=r"weights of resnet18 in .*other\.pth, found none for conv1\.weight and 19 more"
    ):
        Backbone("resnet18", weights=tmp_path / "other.pth")


def test_offline_the_error_names_the_way_out(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"pretrained weights of resnet18 .*weights=FILE.*pretrained=false"):
        Backbone("resnet18", pretrained=True, cache_dir=str(tmp_path))


def test_wrong_names_and_options_are_told() -> None:
    with pytest.raises(InputError, match=r"timm knows, found 'resnt18'; did you mean .*resnet18"):
        Backbone("resnt18")
    with pytest.raises(InputError, match="resnet18 does not take the options"):
        Backbone("resnet18", colour="blue")
    with pytest.raises(InputError, match="one index in out_indices"):
        Backbone("resnet18", out_indices=(1, 2))
    with pytest.raises(InputError, match="does not take the options"):
        Backbone("resnet18", out_indices=(9,))
    with pytest.raises(InputError, match=r"multiples of .*\(16, 16\) pixels, found \(50, 80\)"):
        Backbone("vit_tiny_patch16_224", image_size=(50, 80), depth=1)
    with pytest.raises(InputError, match="resnet18"):
        Backbone("resnet18.no_such_tag", pretrained=True)
