import pytest
import torch

from poserior import heads
from poserior.training.cost import model_cost

OPTIONS = {"num_deconvolutions": 1, "channels": 8, "couplings": 2, "neurons": 8}


def built(**options):
    torch.manual_seed(0)
    return heads.AuxiliaryHeatmapRLE(6, 3, **{**OPTIONS, **options})


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_loss_is_the_sum_of_the_two_heads(weight):
    head = built(heatmap_weight=weight)
    plain, maps = heads.RLE(6, 3, couplings=2, neurons=8), head.auxiliary
    plain.load_state_dict({k: v for k, v in head.state_dict().items() if not k.startswith("auxiliary.")})
    features, target = torch.randn(4, 6, 5, 7), 0.3 * torch.randn(4, 3, 2)
    expected = plain.loss(plain(features), target) + weight * maps.loss(maps(features), target)
    torch.testing.assert_close(head.loss(head(features), target), expected)


def test_the_maps_learn_in_training_and_do_not_run_at_inference(monkeypatch):
    head = built()
    features, target = torch.randn(4, 6, 5, 7), 0.3 * torch.randn(4, 3, 2)
    head.loss(head(features), target).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in head.auxiliary.parameters())
    head.eval()
    seen = []
    head.auxiliary.register_forward_hook(lambda *_: seen.append(1))
    distribution = head(features)
    assert not seen
    assert distribution.maps is None
    torch.testing.assert_close(head.loss(distribution, target), heads.RLE.loss(head, distribution, target))
    rle = heads.RLE(6, 3)
    assert (
        model_cost(torch.nn.Conv2d(3, 6, 3), head, (8, 9)).head_flops
        == model_cost(torch.nn.Conv2d(3, 6, 3), rle, (8, 9)).head_flops
    )
    with pytest.raises(ValueError, match="heatmap_weight of 0 or more, found -1"):
        built(heatmap_weight=-1.0)
