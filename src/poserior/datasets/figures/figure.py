"""A posed body in its clothes, as ellipsoids and cones, and where its 17 COCO keypoints lie."""

import numpy as np
from jaxtyping import Float

from poserior.datasets.figures.body import Pose3d, Shape
from poserior.datasets.figures.chance import Number
from poserior.datasets.figures.outfit import Colour, Outfit
from poserior.datasets.figures.poses import JOINTS
from poserior.datasets.figures.raycast import Parts

_BUCKLE = np.array([0.80, 0.74, 0.56])
Triple = tuple[Number, Number, Number]
CLOTH, SKIN, FACE, SHIRT, HAIR, PROP = range(6)

# In head heights, in the head's frame (left, up, front) about its centre.
NOSE, EYE, EAR = (0.0, -0.08, 0.437), (0.138, 0.06, 0.3295), (0.365, 0.0, -0.04)


# For the keypoints of ``coco17`` in order: the parts on which a keypoint counts as seen, and how far in front of it
# (metres for a body of one metre) their surface may lie.
_SPANS = {
    "shoulder": (("shoulder", "upper_arm"), ("chest", "collar", "backpack"), 0.07),
    "elbow": (("elbow", "upper_arm", "forearm"), (), 0.04),
    "wrist": (("wrist", "forearm", "hand"), (), 0.035),
    "hip": (("thigh",), ("pelvis", "skirt", "waist"), 0.095),
    "knee": (("knee", "thigh", "shin"), ("skirt",), 0.06),
    "ankle": (("shin", "foot"), (), 0.05),
}
SHOWN_BY: tuple[frozenset[str], ...] = (
    frozenset({"nose", "skull"}),
    frozenset({"skull", "jaw"}),
    frozenset({"skull", "jaw"}),
    frozenset({"left_ear"}),
    frozenset({"right_ear"}),
    *(
        frozenset({*(f"{side}_{part}" for part in own), *shared})
        for own, shared, _ in _SPANS.values()
        for side in ("left", "right")
    ),
)
_REACH = (0.018, 0.015, 0.015, 0.025, 0.025, *(span[2] for span in _SPANS.values() for _ in range(2)))
_ON_HEAD: Float[np.ndarray, "5 3"] = np.array([NOSE, EYE, (-EYE[0], *EYE[1:]), EAR, (-EAR[0], *EAR[1:])])
_JOINTS = [JOINTS.index(f"{side}_{joint}") for joint in _SPANS for side in ("left", "right")]


class _Tailor:
    """Puts one person's parts into a list."""

    def __init__(self, parts: Parts, person: int) -> None:
        self.parts, self.person = parts, person

    def ball(
        self,
        label: str,
        frame: Float[np.ndarray, "3 3"],
        centre: Float[np.ndarray, "3"],
        half: Triple,
        colour: Colour,
        material: int = CLOTH,
        *,
        second: Colour | None = None,
        cut: Number = 9.0,
        gloss: Number = 0.0,
    ) -> None:
        """An ellipsoid with half axes in metres; the second colour begins towards its third axis."""
        self._add(label, centre, frame * half, None, colour, material, second, cut, gloss)

    def tube(
        self,
        label: str,
        frame: Float[np.ndarray, "3 3"],
        start: Float[np.ndarray, "3"],
        end: Float[np.ndarray, "3"],
        radii: tuple[Number, Number],
        taper: Number,
        colour: Colour,
        material: int = CLOTH,
        *,
        second: Colour | None = None,
        cut: Number = 9.0,
        gloss: Number = 0.0,
    ) -> None:
        """An elliptic cone; `radii` to the frame's left and front at the start."""
        axes = frame[:, (0, 2, 1)] * (*radii, 1.0)
        axes[:, 2] = end - start
        self._add(label, start, axes, taper, colour, material, second, cut, gloss)

    def _add(
        self,
        label: str,
        centre: Float[np.ndarray, "3"],
        axes: Float[np.ndarray, "3 3"],
        taper: Number | None,
        colour: Colour,
        material: int,
        second: Colour | None,
        cut: Number,
        gloss: Number,
    ) -> None:
        parts = self.parts
        parts.person.append(self.person)
        parts.label.append(label)
        parts.material.append(material)
        parts.colour.append(colour)
        parts.colour_2.append(colour if second is None else second)
        parts.cut.append(cut)
        parts.gloss.append(gloss)
        parts.centre.append(centre)
        parts.axes.append(axes)
        parts.taper.append(taper)


def add_figure(parts: Parts, person: int, shape: Shape, pose: Pose3d, outfit: Outfit) -> None:
    """Append a person's parts, head first."""
    tailor = _Tailor(parts, person)
    _head(tailor, shape, pose, outfit)
    _trunk(tailor, shape, pose, outfit)
    for side in ("left", "right"):
        _arm(tailor, shape, pose, outfit, side)
        _leg(tailor, shape, pose, outfit, side)


def _head(tailor: _Tailor, shape: Shape, pose: Pose3d, outfit: Outfit) -> None:
    frame, size, skin, hair = pose.frame("neck"), shape.head, outfit.skin, outfit.hair

    def ball(
        label: str,
        at: Triple,
        half: Triple,
        colour: Colour,
        material: int,
    ) -> None:
        gloss = {SKIN: 0.12, FACE: 0.12, HAIR: 0.2}.get(material, 0.03)
        scaled = (half[0] * size, half[1] * size, half[2] * size)
        tailor.ball(label, frame, pose.head + frame @ (np.array(at) * size), scaled, colour, material, gloss=gloss)

    ball("skull", (0, 0.10, -0.04), (0.335, 0.40, 0.41), skin, FACE)
    ball("jaw", (0, -0.18, 0.09), (0.255, 0.32, 0.27), skin, FACE)
    ball("nose", (0, -0.055, 0.365), (0.052, 0.105, 0.075), np.clip(skin * 1.03, 0, 1), SKIN)
    for side, sign in (("left", 1), ("right", -1)):
        ball(f"{side}_ear", (sign * 0.335, 0.0, -0.04), (0.04, 0.11, 0.07), skin * 0.93, SKIN)
    style = outfit.hairstyle
    if style not in ("bald", "cap", "beanie"):
        thick = 1.07 if style == "full" else 1.0
        ball("hair", (0, 0.155, -0.085), (0.36 * thick, 0.385 * thick, 0.41 * thick), hair, HAIR)
    if style in ("cap", "beanie"):
        ball("hair", (0, 0.08, -0.11), (0.352, 0.36, 0.375), hair, HAIR)
        ball("hat", (0, 0.27, -0.04), (0.375, 0.30 if style == "cap" else 0.34, 0.44), outfit.hat, CLOTH)
    if style == "cap":
        ball("hat", (0, 0.27, 0.40), (0.26, 0.035, 0.24), outfit.hat * 0.82, CLOTH)
    if style == "long":
        ball("hair", (0, -0.20, -0.21), (0.345, 0.54, 0.22), hair, HAIR)
    if style == "bun":
        ball("hair", (0, 0.44, -0.36), (0.17, 0.17, 0.17), hair, HAIR)
    if style == "tail":
        ball("hair", (0, 0.22, -0.50), (0.10, 0.10, 0.10), outfit.second, CLOTH)
        ball("hair", (0, -0.08, -0.56), (0.11, 0.36, 0.12), hair, HAIR)
    neck = pose.joint("neck") - pose.frame("chest")[:, 1] * 0.012 * shape.height
    radius = 0.0335 * shape.height * shape.build**0.4
    top = pose.head - frame[:, 2] * 0.1 * size
    tailor.tube("neck", frame, neck, top, (radius, radius), 0.92, skin * 0.96, SKIN)
    collar = pose.frame("chest")
    band = neck + collar[:, 1] * 0.022 * shape.height
    tailor.tube(
        "collar",
        collar,
        neck - collar[:, 1] * 0.02 * shape.height,
        band,
        (radius * 1.5, radius * 1.35),
        0.84,
        outfit.collar,
    )


def _trunk(tailor: _Tailor, shape: Shape, pose: Pose3d, outfit: Outfit) -> None:
    unit, build, trunk = shape.height, shape.build, shape.trunk
    hips, spine, chest = pose.frame("pelvis"), pose.frame("spine"), pose.frame("chest")
    centre, waist, upper = pose.joint("pelvis"), pose.joint("spine"), pose.joint("chest")
    up, deep = hips[:, 1] * unit, 0.064 * unit * build
    broad = shape.hip + 0.050 * unit * build**0.5
    girth = 0.5 * (0.083 * unit * build + 0.86 * broad)
    wide = 0.5 * (shape.shoulder + 0.085 * unit * build)
    shirt, trousers = outfit.shirt, outfit.trousers
    tailor.ball("pelvis", hips, centre + 0.008 * up, (broad, 0.066 * unit, deep * 1.03), trousers)
    rise = waist - centre
    end = centre + rise * (0.8 if outfit.untucked or outfit.skirt else 1.1)
    tailor.tube("pelvis", hips, centre + 0.008 * up, end, (broad, deep * 1.03), girth / broad, trousers)
    for sign in (1, -1):
        seat = centre + hips @ np.array([sign * 0.043, -0.012, -0.026 * build]) * unit
        tailor.ball(
            "pelvis", hips, seat, (0.048 * unit * build**0.5, 0.055 * unit, 0.044 * unit * build**0.5), trousers
        )
    bottom, brim = waist - spine[:, 1] * 0.012 * unit, upper + spine[:, 1] * 0.03 * trunk
    tailor.tube("waist", spine, bottom, brim, (girth * 1.02, deep), wide / girth, shirt, SHIRT)
    belly = waist + spine @ np.array([0, 0.018, 0.004]) * unit
    tailor.ball("waist", spine, belly, (girth * 1.02, 0.07 * unit, deep * 1.02), shirt, SHIRT)
    ribs = upper + chest[:, 1] * 0.16 * trunk
    tailor.ball("chest", chest, ribs, (wide * 1.04, 0.108 * unit, 0.068 * unit * build**0.8), shirt, SHIRT)
    top = upper + chest @ np.array([0, 0.325 * trunk, -0.003 * unit])
    tailor.ball("chest", chest, top, (shape.shoulder * 1.12, 0.050 * unit, 0.051 * unit * build**0.5), shirt, SHIRT)
    trapezius = upper + chest @ np.array([0, 0.405 * trunk, -0.012 * unit])
    tailor.ball("chest", chest, trapezius, (shape.shoulder * 0.72, 0.036 * unit, 0.040 * unit), shirt, SHIRT)
    if shape.bust:
        for sign in (1, -1):
            at = upper + chest @ np.array([sign * 0.040, 0.036, 0.036 * build]) * unit
            tailor.ball(
                "chest", chest, at, (0.046 * unit, 0.044 * unit, (0.022 + 0.014 * shape.bust) * unit), shirt, SHIRT
            )
    if outfit.untucked or outfit.skirt:
        hem = centre - 0.008 * up
        tailor.tube("waist", hips, waist, hem, (girth * 1.03, deep * 0.98), 1.03 * broad / girth, shirt, SHIRT)
    else:
        low, high = centre + 0.80 * rise, centre + 1.12 * rise
        ring = (girth + 0.30 * (broad - girth)) * 1.03
        tailor.tube("waist", hips, low, high, (ring, deep * 1.03), girth * 1.03 / ring, outfit.belt, gloss=0.2)
        buckle = centre + 0.96 * rise + hips[:, 2] * deep * 1.0
        tailor.ball("waist", hips, buckle, (0.015 * unit, 0.011 * unit, 0.006 * unit), _BUCKLE, gloss=0.5)
    if outfit.skirt:
        knees = (pose.joint("left_knee") + pose.joint("right_knee")) / 2
        gap = float(np.linalg.norm(pose.joint("left_knee") - pose.joint("right_knee"))) / 2
        end = centre + 0.86 * (knees - centre)
        flare = max(1.12, (gap + 0.05 * unit) / broad)
        tailor.tube(
            "skirt",
            hips,
            centre + hips[:, 1] * 0.03 * unit,
            end,
            (broad * 1.06, 0.085 * unit * build),
            flare,
            outfit.trousers,
        )
    if outfit.backpack is not None:
        at = upper + chest @ np.array([0, 0.11 * trunk, -0.105 * unit])
        tailor.ball("backpack", chest, at, (0.078 * unit, 0.108 * unit, 0.058 * unit), outfit.backpack)
        pocket = upper + chest @ np.array([0, 0.0, -0.15 * unit])
        tailor.ball("backpack", chest, pocket, (0.055 * unit, 0.05 * unit, 0.022 * unit), outfit.backpack * 0.8)


def _arm(tailor: _Tailor, shape: Shape, pose: Pose3d, outfit: Outfit, side: str) -> None:
    unit, girth, skin = shape.height, shape.limb_build, outfit.skin
    upper, lower, hand = (pose.frame(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist"))
    shoulder, elbow, wrist = (pose.joint(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist"))
    sleeved, covered = outfit.sleeve > 0, outfit.sleeve > 1
    thick = 1 + 0.55 * (outfit.loose - 1) if covered else 1.0
    big, mid, end = (
        0.0282 * unit * girth * thick,
        0.0232 * unit * girth * thick,
        0.0158 * unit * girth * (1.22 if covered else 1.0),
    )
    cloth = outfit.sleeve_colour if covered else skin
    kind = CLOTH if covered else SKIN
    shine = 0.0 if covered else 0.12
    tailor.tube(f"{side}_upper_arm", upper, shoulder, elbow, (big, big), mid / big, cloth, kind, gloss=shine)
    tailor.ball(f"{side}_elbow", lower, elbow, (mid, mid, mid), cloth, kind, gloss=shine)
    tailor.tube(
        f"{side}_forearm", lower, elbow, wrist, (mid * 1.02, mid * 1.06), end / mid / 1.02, cloth, kind, gloss=shine
    )
    cap = 0.0318 * unit * girth**0.7
    tailor.ball(
        f"{side}_shoulder",
        upper,
        shoulder - upper[:, 1] * 0.006 * unit,
        (cap, cap * 1.2, cap),
        outfit.sleeve_colour if sleeved else skin,
        CLOTH if sleeved else SKIN,
    )
    if sleeved and not covered:
        hem = shoulder + outfit.sleeve * (elbow - shoulder)
        wide = big * 1.14
        tailor.tube(
            f"{side}_upper_arm",
            upper,
            shoulder,
            hem,
            (wide, wide),
            outfit.loose,
            outfit.sleeve_colour,
            second=outfit.collar,
            cut=0.9,
        )
    tailor.ball(
        f"{side}_wrist", hand, wrist, (end, end, end), skin if not covered else cloth, SKIN if not covered else CLOTH
    )
    length = shape.hand

    def part(along: Number, out: Number, half: Triple) -> None:
        at = wrist - hand[:, 1] * along * length + hand[:, 2] * out * unit
        tailor.ball(f"{side}_hand", hand, at, half, skin, SKIN, gloss=0.1)

    part(0.32, 0.0, (0.0125 * unit, 0.36 * length, 0.0245 * unit))
    part(0.68, 0.002, (0.0095 * unit, 0.33 * length, 0.0195 * unit))
    part(0.36, 0.026, (0.0095 * unit, 0.24 * length, 0.0095 * unit))


def _leg(tailor: _Tailor, shape: Shape, pose: Pose3d, outfit: Outfit, side: str) -> None:
    unit, girth, skin = shape.height, shape.limb_build, outfit.skin
    upper, lower, foot = (pose.frame(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    hip, knee, ankle = (pose.joint(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    covered = outfit.leg > 1 and not outfit.skirt
    thick = outfit.loose if covered else 1.0
    big = 0.0505 * unit * girth
    mid, end = 0.0335 * unit * girth * thick, 0.0215 * unit * girth * (thick**2.2)
    cloth, kind, shine = (outfit.trousers, CLOTH, 0.0) if covered else (skin, SKIN, 0.1)
    tailor.ball(f"{side}_thigh", upper, hip, (big * 0.98, big * 1.05, big * 1.05), outfit.trousers)
    tailor.tube(f"{side}_thigh", upper, hip, knee, (big, big * 1.06), mid / big, cloth, kind, gloss=shine)
    tailor.ball(f"{side}_knee", lower, knee, (mid, mid * 1.05, mid * 1.05), cloth, kind, gloss=shine)
    tailor.tube(
        f"{side}_shin",
        lower,
        knee,
        ankle,
        (mid * 0.97, mid),
        end / mid,
        cloth,
        kind,
        second=None if covered else outfit.socks,
        cut=0.82,
        gloss=shine,
    )
    if not covered or outfit.loose < 1.12:
        calf = knee + lower @ np.array([0, -0.3 * shape.shin, -0.012 * unit])
        tailor.ball(f"{side}_shin", lower, calf, (mid * 0.93, 0.075 * unit, mid * 0.98), cloth, kind, gloss=shine)
    if not covered and not outfit.skirt:
        hem = hip + outfit.leg * (knee - hip)
        wide = big * 1.07
        tailor.tube(f"{side}_thigh", upper, hip, hem, (wide, wide * 1.05), 0.86 * outfit.loose, outfit.trousers)
    # The soles lie towards the third axis.
    tread = np.stack([foot[:, 0], foot[:, 2], -foot[:, 1]], 1)
    length = shape.foot

    def shoe(along: Number, down: Number, half: Triple, cut: Number) -> None:
        at = ankle + foot[:, 2] * along * length - foot[:, 1] * down * unit
        tailor.ball(f"{side}_foot", tread, at, half, outfit.shoes, CLOTH, second=outfit.sole, cut=cut, gloss=0.25)

    shoe(0.27, 0.0225, (0.0262 * unit, 0.49 * length, 0.0185 * unit), 0.42)
    shoe(0.14, 0.013, (0.0235 * unit, 0.30 * length, 0.0265 * unit), 9.0)
    shoe(-0.08, 0.0195, (0.0225 * unit, 0.165 * length, 0.0215 * unit), 0.5)


def add_stool(parts: Parts, seat: Float[np.ndarray, "3"], colour: Colour) -> None:
    """A round stool under a point of the world; nobody's part."""
    tailor, frame = _Tailor(parts, -1), np.eye(3)
    upright = np.array([0.0, 1.0, 0.0])
    top = max(float(seat[1]), 0.1)
    foot = np.array([seat[0], 0.0, seat[2]])
    tailor.ball("prop", frame, foot + upright * (top - 0.03), (0.2, 0.045, 0.2), colour, PROP, gloss=0.15)
    tailor.tube("prop", frame, foot, foot + upright * (top - 0.03), (0.15, 0.15), 1.12, colour * 0.72, PROP)


def cloud(shape: Shape, pose: Pose3d) -> Float[np.ndarray, "N 3"]:
    """Points near the body's outline, for framing it and for setting it on the ground."""
    size = shape.height
    up = pose.frame("neck")[:, 1]
    points = [*pose.points, pose.head + up * 0.52 * shape.head, pose.head - up * 0.4 * shape.head]
    for side in ("left", "right"):
        points.append(pose.joint(f"{side}_wrist") - pose.frame(f"{side}_wrist")[:, 1] * shape.hand)
        foot, ankle = pose.frame(f"{side}_ankle"), pose.joint(f"{side}_ankle")
        for along in (-0.24, 0.76):
            points.append(ankle + foot @ np.array([0, -0.036 * size, along * shape.foot]))
        points.append(pose.joint(f"{side}_knee") - [0, 0.034 * size, 0])
    points.append(pose.joint("pelvis") - [0, 0.068 * size, 0])
    return np.stack(points)


def keypoints(shape: Shape, pose: Pose3d) -> Float[np.ndarray, "17 3"]:
    """Where the keypoints of ``coco17`` lie in the world, metres: on the face's surface, within the body's joints."""
    face = pose.head + (_ON_HEAD * shape.head) @ pose.frame("neck").T
    return np.concatenate([face, pose.points[_JOINTS]])


def reaches(shape: Shape) -> list[float]:
    """How far in front of each keypoint, in metres, a surface that shows it may lie."""
    girth = shape.height * max(1.0, shape.limb_build, shape.build)
    return [reach * girth for reach in _REACH]
