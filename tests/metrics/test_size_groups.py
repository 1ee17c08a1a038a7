import torch

from poserior.metrics import size_groups


def test_thirds_of_the_people_by_size():
    side = torch.tensor([30.0, 10.0, 50.0, 20.0, 60.0, 40.0, 70.0])
    groups = size_groups(side.square(), torch.tensor([True] * 6 + [False]))
    assert list(groups) == ["small", "medium", "large"]
    members = {name: side[who].sort().values.tolist() for name, (who, _, _) in groups.items()}
    assert members == {"small": [10, 20], "medium": [30, 40], "large": [50, 60]}
    assert groups["large"][1:] == (50.0, 60.0)


def test_one_size_or_nobody_is_no_group():
    assert size_groups(torch.full((5,), 9.0)) == {}
    assert size_groups(torch.ones(3), torch.zeros(3, dtype=torch.bool)) == {}


def test_ties_stay_together():
    groups = size_groups(torch.tensor([1.0, 1.0, 1.0, 1.0, 9.0, 16.0]))
    assert groups["small"][0].sum() == 4
    assert sum(int(who.sum()) for who, _, _ in groups.values()) == 6
