import numpy as np
import pytest

from poserior.datasets.figures.body import pose_body, rotations, sample_shape
from poserior.datasets.figures.camera import Camera, look_at
from poserior.datasets.figures.figure import cloud
from poserior.datasets.figures.poses import JOINTS, LIMITS, sample_motion
from poserior.datasets.figures.raycast import Parts, cast, prepare


def _rng(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def test_joint_limits_hold_at_all_times():
    rng = _rng()
    reached = np.zeros((len(JOINTS), 3))
    for _ in range(200):
        motion = sample_motion(rng)
        for seconds in (0.0, 0.4, 1.1, 2.7):
            angles = motion.at(seconds)
            assert (angles >= LIMITS[..., 0]).all()
            assert (angles <= LIMITS[..., 1]).all()
            reached = np.maximum(reached, np.abs(angles))
    assert reached[JOINTS.index("left_knee"), 0] > 100
    assert reached[JOINTS.index("right_shoulder"), 0] > 150


def _angles(**degrees):
    angles = np.zeros((len(JOINTS), 3))
    for joint, value in degrees.items():
        angles[JOINTS.index(joint)] = value
    return angles


def test_positive_angles_go_the_anatomical_way():
    shape = sample_shape(_rng())
    rest = pose_body(shape, _angles(), 0.0)
    np.testing.assert_allclose(rest.joint("left_wrist") - rest.joint("left_elbow"), [0, -shape.forearm, 0], atol=1e-12)
    assert rest.joint("left_shoulder")[0] > 0 > rest.joint("right_shoulder")[0]
    bent = pose_body(shape, _angles(left_elbow=(90, 0, 0), right_knee=(90, 0, 0), left_hip=(90, 0, 0)), 0.0)
    np.testing.assert_allclose(bent.joint("left_wrist") - bent.joint("left_elbow"), [0, 0, shape.forearm], atol=1e-12)
    np.testing.assert_allclose(bent.joint("right_ankle") - bent.joint("right_knee"), [0, 0, -shape.shin], atol=1e-12)
    np.testing.assert_allclose(bent.joint("left_knee") - bent.joint("left_hip"), [0, 0, shape.thigh], atol=1e-12)
    aside = pose_body(shape, _angles(left_shoulder=(0, 0, 90), right_shoulder=(0, 0, 90)), 0.0)
    np.testing.assert_allclose(
        aside.joint("left_elbow") - aside.joint("left_shoulder"), [shape.upper_arm, 0, 0], atol=1e-12
    )
    np.testing.assert_allclose(
        aside.joint("right_elbow") - aside.joint("right_shoulder"), [-shape.upper_arm, 0, 0], atol=1e-12
    )


def test_heading_turns_the_person_to_its_left():
    shape = sample_shape(_rng())
    turned = pose_body(shape, _angles(left_elbow=(90, 0, 0)), np.pi / 2)
    np.testing.assert_allclose(
        turned.joint("left_wrist") - turned.joint("left_elbow"), [shape.forearm, 0, 0], atol=1e-12
    )


def test_rotations_are_rotations():
    angles = _rng().uniform(-120, 120, (len(JOINTS), 3))
    matrices = rotations(angles)
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), matrices.shape), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1)


def test_standing_height_is_the_stated_one():
    for seed in range(20):
        shape = sample_shape(_rng(seed))
        heights = cloud(shape, pose_body(shape, _angles(), 0.0))[:, 1]
        assert heights.max() - heights.min() == pytest.approx(shape.height, rel=0.01)


def test_camera_looks_at_its_aim_with_the_world_upright():
    position, aim = np.array([1.0, 2.0, 5.0]), np.array([0.0, 1.0, 0.0])
    camera = Camera(look_at(position, aim, 0.0), position, 100.0, np.array([40.0, 30.0]))
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    np.testing.assert_allclose(camera.project(camera.to_camera(aim)), [40, 30], atol=1e-9)
    above = camera.project(camera.to_camera(aim + np.array([0, 0.1, 0])))
    assert above[0] == pytest.approx(40)
    assert above[1] < 30
    ground = camera.ground_homography() @ [0.3, -0.2, 1]
    np.testing.assert_allclose(ground[:2] / ground[2], camera.project(camera.to_camera(np.array([0.3, 0.0, -0.2]))))


def _parts(axes, taper):
    parts = Parts()
    parts.person.append(0)
    parts.label.append("x")
    parts.material.append(0)
    parts.colour.append(np.ones(3))
    parts.colour_2.append(np.ones(3))
    parts.cut.append(9.0)
    parts.gloss.append(0.0)
    parts.centre.append(np.array([0.3, 0.2, 0.0]))
    parts.axes.append(axes)
    parts.taper.append(taper)
    return parts


@pytest.mark.parametrize("taper", [None, 0.6, 1.3])
def test_depth_buffer_holds_the_points_of_the_surface(taper):
    """Every ray's hit lies on the part's surface, and the surface's own points are hit or hidden by nearer ones."""
    rng = _rng(1)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0] * [0.3, 0.2, 0.5]
    parts = _parts(axes, taper)
    position = np.array([0.5, 1.0, 4.0])
    camera = Camera(look_at(position, np.array([0.3, 0.2, 0.0]), 0.2), position, 260.0, np.array([50.0, 40.0]))
    buffers = cast(prepare(parts, camera), camera, (80, 100), 1)
    rows, columns = np.nonzero(buffers.part == 0)
    assert len(rows) > 300
    assert buffers.part.shape < (80, 100)  # no more than the part's own rectangle
    depth = buffers.depth[rows, columns].astype(float)
    points = np.stack([buffers.x[columns] * depth, buffers.y[rows] * depth, depth], 1)
    local = (points @ camera.rotation + camera.position - parts.centre[0]) @ np.linalg.inv(axes).T
    radius = np.hypot(local[:, 0], local[:, 1])
    if taper is None:
        np.testing.assert_allclose(radius**2 + local[:, 2] ** 2, 1, atol=1e-3)
    else:
        np.testing.assert_allclose(radius, 1 + (taper - 1) * local[:, 2], atol=1e-3)
        assert local[:, 2].min() >= -1e-4
        assert local[:, 2].max() <= 1 + 1e-4
    turn, along = rng.uniform(0, 2 * np.pi, 400), rng.uniform(-1, 1, 400)
    if taper is None:
        wide = np.sqrt(1 - along**2)
    else:
        along = (along + 1) / 2
        wide = 1 + (taper - 1) * along
    slope = 0.0 if taper is None else taper - 1
    local = np.stack([np.cos(turn) * wide, np.sin(turn) * wide, along], 1)
    surface = local @ axes.T + parts.centre[0]
    steep = local[:, 2] if taper is None else -slope * (1 + slope * along)
    outward = np.stack([local[:, 0], local[:, 1], steep], 1) @ np.linalg.inv(axes)
    surface = surface[((position - surface) * outward).sum(1) > 0]
    seen = camera.to_camera(surface)
    pixels = np.floor(camera.project(seen)).astype(int)
    # Nothing of the surface lies before what the rays met there, but for the outline's steepness within a pixel.
    ahead = buffers.at(pixels)[1] - seen[:, 2]
    met = np.isfinite(ahead)
    assert met.mean() > 0.85
    assert np.quantile(np.abs(ahead[met]), 0.85) < 0.03
