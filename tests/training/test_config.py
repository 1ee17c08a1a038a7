import pytest

from poserior.errors import InputError
from poserior.training import Budget, Config, Loader, Optimiser


def test_to_dict_and_back(small):
    config = small(optimiser=Optimiser(milestones=[0.5], ema=0.9), augment={"flip": 0.0}, warm_start="runs/a")
    assert Config.from_dict(config.to_dict()) == config
    assert config.to_dict()["image_size"] == [32, 24]
    assert config.to_dict()["optimiser"]["milestones"] == [0.5]


@pytest.mark.parametrize(
    ("make", "name", "found"),
    [
        (lambda: Optimiser(lr=-1.0), "optimiser.lr", "-1.0"),
        (lambda: Optimiser(ema=1.0), "optimiser.ema", "1.0"),
        (lambda: Optimiser(accumulate=0), "optimiser.accumulate", "0"),
        (lambda: Optimiser(milestones=[170.0, 200.0]), "optimiser.milestones", "170"),
        (lambda: Optimiser(clip=-2.0), "optimiser.clip", "-2.0"),
        (lambda: Budget(epochs=0), "budget.epochs", "0"),
        (lambda: Budget(minutes=0.0), "budget.minutes", "0.0"),
        (lambda: Loader(batch_size=0), "loader.batch_size", "0"),
        (lambda: Loader(workers=-1), "loader.workers", "-1"),
    ],
)
def test_impossible_values_are_named(make, name, found):
    with pytest.raises(InputError, match=name) as error:
        make()
    assert found in str(error.value)
