"""What is known of a keypoint by its name alone: the nearest constant of COCO, and its mirror image."""

import re
from functools import cache

from poserior.skeletons.skeleton import load

# What a name speaks of, most telling first, and keypoints of COCO or COCO-WholeBody that are like it. MPII's pelvis,
# thorax, neck and head top are taken as CCNet takes them (hip, shoulder, nose, nose).
_LIKE = {
    "nose": "nose",
    "brow": "left_brow_3",
    "eyebrow": "left_brow_3",
    "eye": "left_eye",
    "pupil": "left_eye",
    "ear": "left_ear",
    "lip": "upper_lip",
    "mouth": "upper_lip",
    "chin": "chin",
    "jaw": "left_jaw_4",
    "shoulder": "left_shoulder",
    "elbow": "left_elbow",
    "wrist": "left_wrist",
    "toe": "left_big_toe",
    "heel": "left_heel",
    "foot": "left_ankle",
    "thumb": "left_thumb_3",
    "forefinger": "left_forefinger_3",
    "index": "left_forefinger_3",
    "pinky": "left_pinky_3",
    "finger": "left_middle_finger_3",
    "hand": "left_hand_root",
    "palm": "left_hand_root",
    "hip": "left_hip",
    "pelvis": "left_hip",
    "knee": "left_knee",
    "ankle": "left_ankle",
    "neck": "nose",
    "head": "nose",
    "thorax": "left_shoulder",
    "chest": "left_shoulder",
    "spine": "left_hip",
}


def sigma_by_name(keypoint: str) -> tuple[float, str] | None:
    """COCO's constant of the keypoint most like this one by its name, and what that is; None if no word is known.

    >>> sigma_by_name("Left Wrist"), sigma_by_name("upper_neck"), sigma_by_name("tail")
    ((0.062, 'wrist'), (0.026, 'nose'), None)
    """
    whole = load("coco133")
    if (exact := "_".join(_words(keypoint))) in whole.keypoints:
        return whole.oks_sigmas[whole.index(exact)], re.sub("^(left|right)_", "", exact)
    words = _words(keypoint)
    for word, like in _LIKE.items():
        if word in words or f"{word}s" in words:
            return whole.oks_sigmas[whole.index(like)], like.removeprefix("left_")
    return None


@cache
def middle_sigma() -> float:
    """The median of COCO's 17 constants: for a keypoint that nothing is known of."""
    sigmas = sorted(load("coco17").oks_sigmas)
    return sigmas[len(sigmas) // 2]


_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


def mirror_name(keypoint: str) -> str:
    """The name with left and right exchanged (also ``l_`` and ``r_``, ``L`` and ``R``); itself if it has no side.

    >>> mirror_name("left_eye"), mirror_name("eye.R"), mirror_name("Right Hip"), mirror_name("nose")
    ('right_eye', 'eye.L', 'Left Hip', 'nose')
    """
    return re.sub(r"(?<![a-zA-Z])(left|right|l|r)(?![a-zA-Z])", _other_side, keypoint, flags=re.IGNORECASE)


def _other_side(match: re.Match[str]) -> str:
    side, found = _OTHER[match[0].lower()], match[0]
    return side.upper() if found.isupper() else side.capitalize() if found[0].isupper() else side


def _words(keypoint: str) -> list[str]:
    """``leftKnee``, ``left-knee`` and ``Left Knee`` are the words left, knee."""
    return re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", keypoint).lower())
