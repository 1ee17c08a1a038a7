import pytest
import torch

from poserior.dense.point_set import mirror_poses, normalise_poses, pose_modes
from poserior.errors import InputError

FLIP = (0, 2, 1, 4, 3)
# Three poses of five points that no move, scale or mirror makes alike; the last is its own mirror image.
PLANTED = normalise_poses(
    torch.tensor(
        [
            [[0.0, 0.0], [3.0, 1.0], [5.0, 5.0], [1.0, 9.0], [2.0, 4.0]],
            [[0.0, 0.0], [9.0, 1.0], [3.0, 3.0], [6.0, 2.0], [1.0, 1.0]],
            [[0.0, 0.0], [2.0, 4.0], [-2.0, 4.0], [1.0, 8.0], [-1.0, 8.0]],
        ]
    )
)


def people(count: int, noise: float = 0.01) -> torch.Tensor:
    """Planted poses, the first half as often again as the others, moved, scaled, some mirrored."""
    which = torch.arange(count) % 5 % 3
    poses = PLANTED[which]
    turned = torch.rand(count) < 0.5
    poses = torch.where(turned[:, None, None], mirror_poses(poses, FLIP), poses)
    poses = poses + noise * torch.randn(poses.shape)
    return poses * (20 + 100 * torch.rand(count, 1, 1)) + 300 * torch.rand(count, 1, 2)


def nearest(modes: torch.Tensor, planted: torch.Tensor) -> torch.Tensor:
    """Greatest distance of a point of each planted pose from the best mode's."""
    return (modes[:, None] - planted).norm(dim=-1).amax(-1).amin(0)


def test_planted_poses_are_found_with_their_mirror_images() -> None:
    keypoints = people(400)
    modes = pose_modes(keypoints, torch.ones(400, 5, dtype=torch.bool), FLIP, count=3)
    assert len(modes) == 5  # the symmetric one once, the others twice
    assert (nearest(modes, PLANTED) < 0.01).all()
    assert (nearest(modes, mirror_poses(PLANTED, FLIP)) < 0.01).all()


def test_the_set_is_its_own_mirror_image_and_of_size_one_about_the_origin() -> None:
    modes = pose_modes(torch.randn(60, 5, 2), torch.ones(60, 5, dtype=torch.bool), FLIP, count=4)
    mirrored = mirror_poses(modes, FLIP)
    order = (modes[:, None] - mirrored).abs().amax((-1, -2)).argmin(1)
    torch.testing.assert_close(mirrored[order], modes)
    torch.testing.assert_close(modes.amax(1) + modes.amin(1), torch.zeros(len(modes), 2))
    torch.testing.assert_close((modes.amax(1) - modes.amin(1)).amax(1), torch.ones(len(modes)))


def test_missing_keypoints_leave_the_modes_where_they_are() -> None:
    keypoints = people(600)
    labelled = torch.rand(600, 5) < 0.75
    broken = torch.where(labelled[..., None], keypoints, torch.tensor(-1e4))
    modes = pose_modes(broken, labelled, FLIP, count=3)
    assert (nearest(modes, PLANTED) < 0.03).all()


def test_the_mean_pose_of_one_pose_is_that_pose() -> None:
    keypoints = PLANTED[[2] * 7] * torch.arange(1, 8)[:, None, None] + 5
    modes = pose_modes(keypoints, torch.ones(7, 5, dtype=torch.bool), FLIP, count=1)
    torch.testing.assert_close(modes, PLANTED[[2]])


def test_the_seed_alone_decides() -> None:
    keypoints, labelled = people(80, noise=0.3), torch.ones(80, 5, dtype=torch.bool)
    torch.testing.assert_close(
        pose_modes(keypoints, labelled, FLIP, 4, seed=3), pose_modes(keypoints, labelled, FLIP, 4, seed=3)
    )


def test_too_few_whole_people_are_named() -> None:
    labelled = torch.ones(4, 5, dtype=torch.bool)
    labelled[1:, 0] = False
    with pytest.raises(InputError, match=r"at least 2 people with all keypoints labelled .* found 1"):
        pose_modes(people(4), labelled, FLIP, count=2)


def test_people_without_extent_or_labels_are_left_out() -> None:
    keypoints = torch.cat([people(50), torch.full((3, 5, 2), 7.0), people(2)])
    labelled = torch.ones(55, 5, dtype=torch.bool)
    labelled[53:] = False
    expected = pose_modes(keypoints[:50], labelled[:50], FLIP, count=3)
    torch.testing.assert_close(pose_modes(keypoints, labelled, FLIP, count=3), expected)
