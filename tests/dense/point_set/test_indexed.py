import torch

from poserior.dense.point_set import AnchorGrid, ShapeIndexed, anchor_set, sample_features


def test_features_are_sampled_where_the_points_are() -> None:
    """A map that holds its own coordinates gives the points back, between the first and the last cell's centres."""
    maps = []
    for (h, w), stride in [((6, 9), 4), ((3, 5), 8)]:
        y, x = torch.meshgrid((torch.arange(h) + 0.5) * stride, (torch.arange(w) + 0.5) * stride, indexing="ij")
        maps.append(torch.stack([x, y, torch.full_like(x, stride)])[None].expand(2, -1, -1, -1))
    points = torch.rand(2, 7, 4, 2) * torch.tensor([26.0, 14.0]) + 4.5
    level = torch.randint(2, (2, 7))
    found = sample_features(maps, [4, 8], level, points)
    torch.testing.assert_close(found[..., :2], points)
    torch.testing.assert_close(found[..., 2], torch.tensor([4.0, 8.0])[level][..., None].expand(2, 7, 4))


def test_nothing_is_seen_outside() -> None:
    found = sample_features(
        [torch.ones(1, 2, 3, 5)], [4], torch.zeros(1, 1, dtype=torch.long), torch.tensor([[[[-9.0, 5.0], [10.0, 6.0]]]])
    )
    assert found.tolist() == [[[[0.0, 0.0], [1.0, 1.0]]]]


def test_an_answer_depends_on_the_features_at_the_anchors_points() -> None:
    """A change far from an anchor's points and centre changes nothing; one at a point does."""
    pose = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]])
    grid = AnchorGrid(anchor_set(pose, [4.0]), ((5, 9),), (4,))
    regress = ShapeIndexed(6, 1, torch.zeros(4), 2, reduced=3, hidden=10)
    places = grid.places(torch.tensor([[2 * 9 + 4]]))  # points at x = 10 and 26, y = 10
    torch.testing.assert_close(places.points, torch.tensor([[[[10.0, 10.0], [26.0, 10.0]]]]))
    features = torch.randn(1, 6, 5, 9)
    first = regress([features], [4], places, places.points)
    assert first.shape == (1, 1, 2, 4)
    far, near = features.clone(), features.clone()
    far[..., 0, 0] += 1
    near[..., 2, 6] += 1
    torch.testing.assert_close(regress([far], [4], places, places.points), first)
    assert (regress([near], [4], places, places.points) != first).all()
