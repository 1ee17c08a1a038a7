"""A body: its measures, and where its joints lie for given joint angles."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from poserior.datasets.figures.poses import JOINTS

# Which way a positive (flexion, rotation, abduction) turns about the axes x (left), y (up), z (forward) of a left
# limb; a right limb mirrors the last two.
_FLEXION = {"shoulder": -1, "elbow": -1, "wrist": -1, "hip": -1, "knee": 1, "ankle": -1}
SIGNS: Float[np.ndarray, "J 3"] = np.array(
    [
        (_FLEXION.get(joint.split("_")[-1], 1), *((1, -1) if joint.count("_") == 0 else (-1, 1)))
        if not joint.startswith("right")
        else (_FLEXION[joint.split("_")[1]], 1, -1)
        for joint in JOINTS
    ],
    dtype=np.float64,
)
PARENTS = [JOINTS.index(name) if name else -1 for name in (
    "", "pelvis", "spine", "chest",
    "chest", "left_shoulder", "left_elbow", "pelvis", "left_hip", "left_knee",
    "chest", "right_shoulder", "right_elbow", "pelvis", "right_hip", "right_knee",
)]  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A body's measures in metres; the girths are factors on an average build.

    Attributes:
        height: standing, from sole to crown.
        trunk: hip line to shoulder line.
        shoulder: half the distance of the shoulder joints.
        hip: half the distance of the hip joints.
        upper_arm: shoulder to elbow.
        forearm: elbow to wrist.
        hand: wrist to finger tips.
        thigh: hip to knee.
        shin: knee to ankle.
        foot: heel to toes.
        head: chin to crown.
        build: how stout the trunk is.
        limb_build: how stout the limbs are.
        bust: depth of the bust; 0 for none.
    """

    height: float
    trunk: float
    shoulder: float
    hip: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shin: float
    foot: float
    head: float
    build: float
    limb_build: float
    bust: float


def sample_shape(rng: np.random.Generator) -> Shape:
    """Adults of all builds, and one child in eight."""
    child = rng.random() < 0.12
    feminine = rng.uniform(0, 1)
    height = rng.uniform(1.05, 1.45) if child else rng.normal(1.78 - 0.14 * feminine, 0.06)
    growth = rng.normal(1.0, 0.035, 10)
    build = np.exp(rng.normal(0.02, 0.13))
    legs = (0.93 if child else 1.0) * growth[0]
    trunk, thigh, shin = 0.282 * growth[1], 0.243 * legs, 0.240 * legs * growth[7]
    head = (0.132 + 0.032 * child) * (0.5 + 0.5 * growth[9])
    # Sole to ankle, leg, trunk up to the neck's root, neck and head add up to the height.
    unit = height / (0.036 + thigh + shin + 1.07 * trunk + 1.14 * head)
    return Shape(
        height=float(height),
        trunk=float(unit * trunk),
        shoulder=float(height * (0.110 - 0.014 * feminine - 0.008 * child) * growth[2]),
        hip=float(height * (0.050 + 0.005 * feminine) * growth[3]),
        upper_arm=float(unit * 0.170 * growth[4]),
        forearm=float(unit * 0.148 * growth[5]),
        hand=float(unit * 0.104 * growth[6]),
        thigh=float(unit * thigh),
        shin=float(unit * shin),
        foot=float(unit * 0.150 * growth[8]),
        head=float(unit * head),
        build=float(build),
        limb_build=float(build**0.7 * (1.06 - 0.14 * feminine) * np.exp(rng.normal(0, 0.06))),
        bust=float(0.0 if child else max(0.0, 2.0 * feminine - 1.0)),
    )


@dataclass(frozen=True, eq=False)
class Pose3d:
    """Where a body is, in the world (y up, metres).

    Attributes:
        points: the joints of `JOINTS`; a joint is where its part begins.
        frames: how the part that begins there is turned; the columns are its left, up and front.
        head: the head's centre.
    """

    points: Float[np.ndarray, "J 3"]
    frames: Float[np.ndarray, "J 3 3"]
    head: Float[np.ndarray, "3"]

    def joint(self, name: str) -> Float[np.ndarray, "3"]:
        """Where a joint lies."""
        point: Float[np.ndarray, "3"] = self.points[JOINTS.index(name)]
        return point

    def frame(self, name: str) -> Float[np.ndarray, "3 3"]:
        """How the part below a joint is turned."""
        frame: Float[np.ndarray, "3 3"] = self.frames[JOINTS.index(name)]
        return frame


def rotations(angles: Float[np.ndarray, "J 3"]) -> Float[np.ndarray, "J 3 3"]:
    """Anatomical degrees to matrices ``Rz(abduction) Rx(flexion) Ry(rotation)``, each in its joint's own sense."""
    x, y, z = (np.deg2rad(angles) * SIGNS).T
    (cx, sx), (cy, sy), (cz, sz) = ((np.cos(a), np.sin(a)) for a in (x, y, z))
    matrix = np.empty((len(angles), 3, 3))
    matrix[:, 0] = np.stack([cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy], 1)
    matrix[:, 1] = np.stack([sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy], 1)
    matrix[:, 2] = np.stack([-cx * sy, sx, cx * cy], 1)
    return matrix


def pose_body(shape: Shape, angles: Float[np.ndarray, "J 3"], heading: float) -> Pose3d:
    """Forward kinematics: the pelvis at the origin, turned by `heading` radians about the vertical."""
    local = rotations(angles)
    cos, sin = np.cos(heading), np.sin(heading)
    frames = np.empty_like(local)
    frames[0] = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) @ local[0]
    points = np.zeros((len(JOINTS), 3))
    offsets = _offsets(shape)
    for joint in range(1, len(JOINTS)):
        parent = PARENTS[joint]
        points[joint] = points[parent] + frames[parent] @ offsets[joint]
        frames[joint] = frames[parent] @ local[joint]
    head = points[3] + frames[3] @ np.array([0.0, 0.62 * shape.head, 0.16 * shape.head])
    return Pose3d(points, frames, head)


def _offsets(shape: Shape) -> Float[np.ndarray, "J 3"]:
    """Each joint's place in its parent's frame."""
    trunk = shape.trunk
    offsets = np.zeros((len(JOINTS), 3))
    offsets[1] = (0, 0.22 * trunk, -0.012 * shape.height)
    offsets[2] = (0, 0.38 * trunk, 0.004 * shape.height)
    offsets[3] = (0, 0.47 * trunk, -0.004 * shape.height)
    for first, sign in ((4, 1.0), (10, -1.0)):
        offsets[first] = (sign * shape.shoulder, 0.385 * trunk, 0.004 * shape.height)
        offsets[first + 1] = (0, -shape.upper_arm, 0)
        offsets[first + 2] = (0, -shape.forearm, 0)
        offsets[first + 3] = (sign * shape.hip, 0, 0)
        offsets[first + 4] = (0, -shape.thigh, 0)
        offsets[first + 5] = (0, -shape.shin, 0)
    return offsets
