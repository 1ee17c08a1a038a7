import pytest
import yaml

from poserior.dense.config import DenseConfig
from poserior.dense.losses import LossWeights
from poserior.errors import InputError
from poserior.training import Optimiser


def test_to_dict_and_back_through_a_file(small):
    config = small(
        optimiser=Optimiser(milestones=[0.5], ema=0.9),
        loss_weights=LossWeights(density=0.05),
        fraction=0.25,
        warm_start="runs/a",
    )
    text = yaml.safe_dump(config.to_dict(), sort_keys=False)
    assert text.startswith("model: dense\n")
    assert DenseConfig.from_dict(yaml.safe_load(text)) == config


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"model": "other"}, "model dense, found 'other'"),
        ({"fraction": 0.0}, "fraction above 0 and at most 1, found 0.0"),
        ({"max_objects": 0}, "max_objects at least 1, found 0"),
        ({"channels": 0}, "channels at least 1"),
        ({"image_size": (4, 64)}, "image_size two sides of at least 8 pixels, found .4, 64."),
        ({"loss_weights": LossWeights(size=-1.0)}, "loss_weights.size not negative, found -1.0"),
    ],
)
def test_impossible_values_are_named(small, parts, text):
    with pytest.raises(InputError, match=text) as error:
        small(**parts)
    assert "\n" not in str(error.value)
