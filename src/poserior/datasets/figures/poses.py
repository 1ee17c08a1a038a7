"""Poses as joint angles: the limits, the prototypes they are mixed from, and how they move."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from poserior.datasets.figures.chance import Number, choose

JOINTS = (
    "pelvis",
    "spine",
    "chest",
    "neck",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
)

# (flexion, rotation, abduction), degrees, low and high. Both sides share a convention: flexion lifts a limb forward,
# bends an elbow or a knee, lifts the toes; rotation turns inwards; abduction lifts sidewards. For the trunk: forward,
# to the person's left, towards the person's left.
_LIMB = {
    "shoulder": ((-50, 175), (-95, 90), (-25, 170)),
    "elbow": ((0, 148), (-80, 80), (0, 0)),
    "wrist": ((-60, 70), (0, 0), (-20, 25)),
    "hip": ((-28, 125), (-45, 45), (-18, 60)),
    "knee": ((0, 145), (-8, 8), (0, 0)),
    "ankle": ((-45, 32), (-15, 15), (-10, 10)),
}
_TRUNK = {
    "pelvis": ((-25, 75), (-25, 25), (-15, 15)),
    "spine": ((-15, 40), (-25, 25), (-20, 20)),
    "chest": ((-12, 30), (-25, 25), (-15, 15)),
    "neck": ((-35, 40), (-65, 65), (-28, 28)),
}
LIMITS: Float[np.ndarray, "J 3 2"] = np.array(
    [_TRUNK[joint] if joint in _TRUNK else _LIMB[joint.split("_")[1]] for joint in JOINTS], dtype=np.float64
)

# Arms: shoulder (flexion, rotation, abduction), elbow flexion, weight.
_ARMS = {
    "hanging": ((2, 5, 9), 14, 4.0),
    "on the hip": ((-22, 72, 42), 92, 1.6),
    "raised": ((160, 0, 18), 18, 1.2),
    "sideways": ((4, -10, 88), 10, 0.9),
    "reaching forward": ((84, 10, 4), 14, 1.2),
    "waving": ((18, -82, 84), 88, 1.0),
    "across the chest": ((38, 76, 4), 104, 0.8),
    "telephoning": ((38, 4, 24), 138, 0.7),
    "behind the head": ((22, -84, 104), 132, 0.6),
    "pointing up": ((132, 0, 34), 8, 0.7),
    "holding": ((22, 22, 8), 84, 1.3),
    "thinking": ((46, 42, 6), 132, 0.7),
    "behind the back": ((-34, 48, 14), 50, 0.6),
}

# Legs: left hip (flexion, rotation, abduction), left knee, left ankle, right hip, knee, ankle, pelvis pitch, spine
# pitch, seat (0 none, 1 on a stool), weight. Left and right are exchanged at random.
_LEGS = {
    "standing": ((2, -8, 4), 3, 0, (2, -8, 4), 3, 0, 0, 2, 0, 3.0),
    "one leg easy": ((16, -16, 9), 24, 4, (0, -6, 2), 2, 0, 0, 1, 0, 2.4),
    "legs apart": ((3, -16, 21), 4, 0, (3, -16, 21), 4, 0, 0, 2, 0, 1.6),
    "lunge": ((62, -4, 4), 66, 4, (-16, 0, 6), 26, 12, 4, 6, 0, 1.3),
    "kick": ((78, -4, 4), 22, -15, (-4, -6, 3), 8, 2, -10, 0, 0, 0.9),
    "one knee up": ((88, -4, 6), 96, -5, (0, -6, 2), 4, 0, -3, 2, 0, 0.9),
    "tree": ((52, -38, 42), 122, -15, (0, -4, 2), 3, 0, 0, 0, 0, 0.6),
    "squat": ((98, -22, 20), 104, 24, (98, -22, 20), 104, 24, 18, 18, 0, 1.1),
    "crouch": ((112, -10, 8), 134, 28, (106, -10, 8), 132, 26, 10, 26, 0, 1.0),
    "kneel": ((84, -4, 6), 88, 2, (2, -2, 4), 96, -38, 2, 4, 0, 1.0),
    "sitting": ((86, -8, 9), 86, 2, (86, -8, 9), 86, 2, 0, 6, 1, 1.7),
    "sitting, leg stretched": ((80, -8, 8), 42, -4, (88, -10, 10), 92, 4, 0, 10, 1, 0.8),
    "on the floor": ((92, -14, 12), 40, -12, (84, -14, 12), 14, -10, -4, 10, 0, 0.8),
    "bending": ((60, -6, 6), 8, 0, (60, -6, 6), 10, 0, 52, 20, 0, 1.0),
}
_GAITS = {"walking": 2.6, "running": 2.0}
_SPREAD = {"pelvis": 4.0, "spine": 5.0, "chest": 5.0, "neck": 10.0, "shoulder": 12.0, "elbow": 14.0, "wrist": 12.0}
_NOISE: Float[np.ndarray, "J"] = np.array([_SPREAD.get(joint.split("_")[-1], 6.0) for joint in JOINTS])


@dataclass(frozen=True, eq=False)
class Motion:
    """A pose that moves: two poses to swing between, and a gait's steps on top of them.

    Attributes:
        start: ``(J, 3)`` degrees.
        end: ``(J, 3)`` degrees.
        gait: "" or "walking" or "running".
        phase: where in the step the clip starts, radians.
        seated: whether a stool is under the person.
        hop: height of the lowest point above the ground, metres.
    """

    start: Float[np.ndarray, "J 3"]
    end: Float[np.ndarray, "J 3"]
    gait: str
    phase: float
    seated: bool
    hop: float

    def at(self, seconds: float) -> Float[np.ndarray, "J 3"]:
        """The joint angles in degrees after some seconds, within `LIMITS`."""
        swing = 0.5 - 0.5 * np.cos(np.pi * seconds / 1.4)
        angles = self.start + (self.end - self.start) * swing
        if self.gait:
            angles = angles + _stride(self.gait, self.phase + seconds * (8.5 if self.gait == "running" else 5.6))
        within: Float[np.ndarray, "J 3"] = np.clip(angles, LIMITS[..., 0], LIMITS[..., 1])
        return within

    @property
    def speed(self) -> float:
        """Metres per second over ground."""
        return {"": 0.0, "walking": 1.3, "running": 3.0}[self.gait]


def sample_motion(rng: np.random.Generator) -> Motion:
    """A motion by chance: legs and each arm from their prototypes, then noise on every joint."""
    names = [*_LEGS, *_GAITS]
    legs = names[choose(rng, [*(leg[-1] for leg in _LEGS.values()), *_GAITS.values()])]
    gait = legs if legs in _GAITS else ""
    lower = np.zeros((len(JOINTS), 3)) if gait else _lower(legs, mirrored=rng.random() < 0.5)
    # One arm often does what the other does.
    arms = [_arm(rng), _arm(rng)]
    if rng.random() < 0.45:
        arms[1] = arms[0]
    swings = bool(gait) and rng.random() < 0.75
    start, end = lower.copy(), lower.copy()
    for side, (shoulder, elbow) in zip((4, 10), arms, strict=True):
        if not swings:
            start[side], start[side + 1, 0] = shoulder, elbow
            other, bend = _arm(rng) if rng.random() < 0.35 else (shoulder, elbow)
            end[side], end[side + 1, 0] = other, bend
    noise = rng.standard_normal((2, len(JOINTS), 3)) * _NOISE[:, None]
    noise[:, 0] += rng.standard_normal(3) * (3, 6, 2)
    noise[:, 3, 1] += rng.standard_normal() * 16  # the head turns more than the trunk
    start, end = start + noise[0], end + 0.6 * noise[0] + 0.5 * noise[1]
    hop = (
        float(rng.uniform(0.1, 0.4))
        if gait == "" and legs in ("standing", "legs apart") and rng.random() < 0.12
        else 0.0
    )
    return Motion(start, end, gait, float(rng.uniform(0, 2 * np.pi)), legs.startswith("sitting"), hop)


def _arm(rng: np.random.Generator) -> tuple[tuple[Number, Number, Number], Number]:
    shoulder, elbow, _ = list(_ARMS.values())[choose(rng, [arm[-1] for arm in _ARMS.values()])]
    return shoulder, elbow


def _lower(name: str, mirrored: bool) -> Float[np.ndarray, "J 3"]:
    left, left_knee, left_ankle, right, right_knee, right_ankle, pelvis, spine, _, _ = _LEGS[name]
    angles = np.zeros((len(JOINTS), 3))
    angles[0, 0], angles[1, 0] = pelvis, spine
    first, second = (13, 7) if mirrored else (7, 13)
    angles[first], angles[first + 1, 0], angles[first + 2, 0] = left, left_knee, left_ankle
    angles[second], angles[second + 1, 0], angles[second + 2, 0] = right, right_knee, right_ankle
    return angles


def _stride(gait: str, phase: float) -> Float[np.ndarray, "J 3"]:
    """What walking or running adds at a phase of the step; the arms swing against the legs."""
    run = gait == "running"
    angles = np.zeros((len(JOINTS), 3))
    angles[0, 0], angles[1, 0] = (9, 7) if run else (1, 2)
    for side, sign in ((0, 1.0), (6, -1.0)):
        sin, forward = sign * np.sin(phase), max(0.0, sign * np.cos(phase))
        angles[7 + side, 0] = 20 + 44 * sin if run else 6 + 25 * sin
        angles[8 + side, 0] = 18 + 88 * forward**1.3 if run else 6 + 52 * forward**1.6
        angles[9 + side, 0] = -6 - 16 * sin if run else -8 * sin
        angles[4 + side] = (-38 * sin, 18, 10) if run else (-24 * sin, 5, 7)
        angles[5 + side, 0] = 92 - 12 * sin if run else 18 - 10 * sin
    angles[2, 1] = 8 * np.sin(phase)
    return angles
