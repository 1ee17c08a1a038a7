import math

import pytest
import torch

from poserior.dense.point_set import AnchorGrid, anchor_set, mirror_poses, pose_size
from poserior.errors import InputError

FLIP = (0, 2, 1)
POSE = torch.tensor([[[0.0, -0.5], [0.25, 0.5], [-0.25, 0.5]]])


def test_scale_then_rotation_then_aspect_then_mode() -> None:
    modes = torch.cat([POSE, 2 * POSE])
    anchors = anchor_set(modes, scales=[3, 5], rotations=[-90, 90], aspects=[1, 2])
    assert anchors.shape == (2 * 2 * 2 * 2, 3, 2)
    # scale 5, 90 degrees clockwise on the screen: (x, y) -> (-y, x); aspect 2 before it; mode 1
    expected = torch.tensor([[5.0, 0.0], [-5.0, 5.0], [-5.0, -5.0]])
    torch.testing.assert_close(anchors[(1 * 2 + 1) * 4 + 1 * 2 + 1], expected)


def test_the_anchors_of_a_symmetric_set_are_symmetric() -> None:
    slanted = torch.tensor([[0.3, -0.5], [0.2, 0.5], [-0.4, 0.1]])
    modes = torch.stack([slanted, mirror_poses(slanted, FLIP)])
    anchors = anchor_set(modes, scales=[4, 7], rotations=[-30, 0, 30], aspects=[0.8, 1.3])
    mirrored = mirror_poses(anchors, FLIP)
    distance = (anchors[:, None] - mirrored).abs().amax((-1, -2))
    assert distance.amin(1).max() < 1e-5
    assert sorted(distance.argmin(1).tolist()) == list(range(24))


@pytest.mark.parametrize("broken", [{"scales": []}, {"scales": [0]}, {"scales": [math.inf]}, {"aspects": [-1.0]}])
def test_sizes_have_to_be_positive(broken: dict[str, list[float]]) -> None:
    with pytest.raises(InputError, match="positive scales and aspects"):
        anchor_set(POSE, **{"scales": [1.0], **broken})


def test_a_rotation_needs_its_opposite() -> None:
    with pytest.raises(InputError, match=r"with every rotation its opposite, found \[10, -20\]"):
        anchor_set(POSE, [1.0], rotations=[10, -20])


def test_numbers_go_by_level_kind_row_and_column() -> None:
    anchors = anchor_set(POSE, scales=[2, 4])
    grid = AnchorGrid(anchors, ((3, 5), (2, 3)), (4, 8))
    assert len(grid) == 2 * (15 + 6)
    # 0: first of all. 15 + 2 * 5 + 1: level 0, kind 1, row 2, column 1. 30 + 6 + 1 * 3 + 2: level 1, kind 1, (1, 2).
    places = grid.places(torch.tensor([[0, 26, 41]]))
    assert places.level.tolist() == [[0, 0, 1]]
    assert places.kind.tolist() == [[0, 1, 1]]
    assert places.centre.tolist() == [[[2.0, 2.0], [6.0, 10.0], [20.0, 12.0]]]
    assert places.size.tolist() == [[8.0, 16.0, 32.0]]
    torch.testing.assert_close(places.points[0, 2], torch.tensor([[20.0, -4.0], [28.0, 28.0], [12.0, 28.0]]))


def test_size_is_the_longer_side() -> None:
    assert pose_size(torch.tensor([[[1.0, 2.0], [4.0, 3.0]], [[0.0, 0.0], [1.0, -7.0]]])).tolist() == [3.0, 7.0]
