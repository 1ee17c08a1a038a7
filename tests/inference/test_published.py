"""Published RLE models, rebuilt small from their description, with weights that were never published."""

import math
from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn

import poserior
from poserior.cli import main
from poserior.errors import InputError
from poserior.models import load_model

K, SIZE = 17, (64, 48)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ReferenceFlow(nn.Module):
    """z = (x - t(mask x)) exp(-s(mask x)) where the mask is 0, from the last coupling to the first."""

    def __init__(self, couplings, neurons, depth):
        super().__init__()
        widths = [2] + [neurons] * (depth - 1) + [2]

        def net(last):
            layers = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.LeakyReLU())]
            return nn.Sequential(*layers[:-1], *last)

        self.s = nn.ModuleList(net([nn.Tanh()]) for _ in range(couplings))
        self.t = nn.ModuleList(net([]) for _ in range(couplings))
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (couplings // 2)))

    def log_prob(self, x):
        log_det = 0.0
        for mask, s, t in reversed(list(zip(self.mask, self.s, self.t, strict=True))):
            kept = mask * x
            log_scale, shift = s(kept) * (1 - mask), t(kept) * (1 - mask)
            x = (1 - mask) * (x - shift) * torch.exp(-log_scale) + kept
            log_det = log_det - log_scale.sum(-1)
        return -0.5 * x.square().sum(-1) - math.log(2 * math.pi) + log_det


def resnet(name):
    torch.manual_seed(1)
    net = getattr(torchvision.models, name)(num_classes=1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net.eval()


def pooled(net, images):
    x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
    return net.layer4(net.layer3(net.layer2(net.layer1(x)))).mean((2, 3))


class Official(nn.Module):
    """mu from a linear layer whose product is divided by the features' length; coordinates in [-0.5, 0.5]."""

    kind = "rle"

    def __init__(self, name="resnet18", couplings=6, neurons=64, depth=3):
        super().__init__()
        self.preact = resnet(name)
        channels = self.preact.fc.in_features
        del self.preact.fc
        self.fc_coord, self.fc_sigma = (nn.ModuleDict({"linear": nn.Linear(channels, 2 * K)}) for _ in range(2))
        self.flow = ReferenceFlow(couplings, neurons, depth)

    def forward(self, images):
        mean = torch.tensor([0.406, 0.457, 0.480])[:, None, None]
        features = pooled(self.preact, images - mean)
        coord, sigma = self.fc_coord["linear"], self.fc_sigma["linear"]
        mu = features @ coord.weight.T / features.norm(dim=1, keepdim=True) + coord.bias
        return mu.view(-1, K, 2), sigma(features).sigmoid().view(-1, K, 2), self.flow


class OpenMmlab(nn.Module):
    """One linear layer, per keypoint x, y and their scales; coordinates in [0, 1]."""

    kind = "mmpose"

    def __init__(self, name="resnet18", couplings=6, neurons=64, depth=3):
        super().__init__()
        self.backbone = resnet(name)
        channels = self.backbone.fc.in_features
        del self.backbone.fc
        self.head = nn.ModuleDict({"fc": nn.Linear(channels, 4 * K)})
        self.head["loss_module"] = nn.ModuleDict({"flow_model": ReferenceFlow(couplings, neurons, depth)})

    def forward(self, images):
        mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET)
        numbers = self.head["fc"](pooled(self.backbone, (images - mean) / std)).view(-1, K, 4)
        return numbers[..., :2] - 0.5, numbers[..., 2:].sigmoid(), self.head["loss_module"]["flow_model"]


@pytest.fixture(scope="module", params=[Official, OpenMmlab], ids=["rle", "mmpose"])
def published(request, tmp_path_factory):
    """A model and the file of its weights."""
    torch.manual_seed(0)
    model = request.param().eval()
    path = tmp_path_factory.mktemp(model.kind) / "published.pth"
    torch.save(model.state_dict(), path)
    return model, path


def agrees(model, folder):
    """Same location (but for the half pixel), scale and log density; the flow's error is (mu - y) / sigma."""
    ours, _ = load_model(folder)
    images = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        mu, sigma, flow = model(images)
        found = ours(images)
        mu = mu + torch.tensor([0.5 / SIZE[1], 0.5 / SIZE[0]])
        torch.testing.assert_close(found.loc, mu, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.scale.abs(), sigma, atol=1e-5, rtol=1e-5)
        points = mu + 0.3 * torch.randn(2, K, 2)
        error = (mu - points) / sigma
        torch.testing.assert_close(ours.head.law.flow.log_prob(error), flow.log_prob(error), atol=1e-5, rtol=1e-5)
        log_prob = flow.log_prob(error) - sigma.log().sum(-1)
        torch.testing.assert_close(found.log_prob(points), log_prob, atol=2e-5, rtol=1e-5)
    assert float(sigma.std()) > 0.01  # the comparison means something
    assert ours.calibrator is not None
    _, visibility = ours.calibrator(found, ours.backbone(images), torch.ones_like(found.loc))
    assert bool((visibility > 0.999).all())


def test_the_same_answers(published, tmp_path, capsys):
    model, path = published
    words = ["--weights", path, "--kind", model.kind, "--output", tmp_path / "run", "--image-size", "[64,48]"]
    assert main(["import-weights", *map(str, words)]) == 0
    assert str(tmp_path / "run") in capsys.readouterr().out
    agrees(model, tmp_path / "run")


@pytest.mark.parametrize("form", [Official, OpenMmlab], ids=["rle", "mmpose"])
def test_bottlenecks_another_flow_and_other_wrappings(form, tmp_path):
    torch.manual_seed(2)
    model = form("resnet50", couplings=4, neurons=16, depth=4).eval()
    state = {
        f"module.{name}".replace("head.loss_module.", "head."): value for name, value in model.state_dict().items()
    }
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.pth")
    folder = poserior.import_weights(tmp_path / "wrapped.pth", model.kind, tmp_path / "run", image_size=SIZE)
    agrees(model, folder)


def test_a_person_is_predicted(published, tmp_path):
    model, path = published
    folder = poserior.import_weights(path, model.kind, tmp_path / "run", image_size=SIZE)
    ((person,),) = poserior.load(folder, device="cpu")([torch.zeros(50, 40, 3, dtype=torch.uint8)])
    assert person.keypoints.shape == (17, 2)
    assert person.score == pytest.approx(float(person.confidence.mean()), abs=1e-4)


def changed(published, tmp_path, change):
    model, path = published
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, tmp_path / "changed.pth")
    return tmp_path / "changed.pth", model.kind


def first(state, part):
    return next(name for name in state if part in name)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: s.pop(first(s, "layer2.0.conv1.weight")), "found none for backbone.body.layer2.0.conv1.weight"),
        (lambda s: s.pop(first(s, "running_var")), "found none for backbone.body.bn1.running_var"),
        (lambda s: s.pop(first(s, "t.3.2.weight")), "give the whole checkpoint"),
        (lambda s: s.update({"neck.conv.weight": torch.zeros(1)}), "found neck.conv.weight"),
        (lambda s: s[first(s, "mask")].fill_(1), "masks alternate"),
        (lambda s: s.update({first(s, "conv1.weight"): torch.zeros(64, 3, 3, 3)}), "this project's has one of shape"),
        (lambda s: [s.pop(name) for name in list(s) if "layer4" in name], "ResNet of 18, 34, 50, 101 or 152"),
        (lambda s: [s.pop(name) for name in list(s) if "flow" in name], "found no flow at all"),
        (lambda s: [s.pop(name) for name in list(s) if "fc" in name], "choose the other kind"),
    ],
    ids=["convolution", "statistics", "coupling", "neck", "mask", "stem", "stage", "flow", "regression"],
)
def test_what_does_not_fit_is_named(published, tmp_path, change, text):
    path, kind = changed(published, tmp_path, change)
    with pytest.raises(InputError, match=text):
        poserior.import_weights(path, kind, tmp_path / "run", image_size=SIZE)
    assert not (tmp_path / "run").exists()


def test_another_skeleton_kind_or_file(published, tmp_path, capsys):
    model, path = published
    with pytest.raises(InputError, match=r"expected 16 keypoints in 2-D in .* found 34 coordinates"):
        poserior.import_weights(path, model.kind, tmp_path / "run", skeleton="mpii16")
    with pytest.raises(InputError, match="choose the other kind"):
        poserior.import_weights(path, {"rle": "mmpose", "mmpose": "rle"}[model.kind], tmp_path / "run")
    with pytest.raises(InputError, match="expected kind rle or mmpose, found 'tf'"):
        poserior.import_weights(path, "tf", tmp_path / "run")
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": Official}, tmp_path / "code.pth")
    for name, text in (
        ("none", "found none at"),
        ("broken", "without running"),
        ("list", "found list"),
        ("code", "safe"),
    ):
        words = ["--weights", str(tmp_path / f"{name}.pth"), "--kind", "rle", "--output", str(tmp_path / "run")]
        assert main(["import-weights", *words]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert text in error
