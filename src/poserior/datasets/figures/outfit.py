"""What a person looks like: skin, hair, clothes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from poserior.datasets.figures.chance import choose

Colour = Float[np.ndarray, "3"]

_SKIN = ("f6d7c3", "efc6a8", "e3b08c", "cf9870", "b57d57", "96623f", "744a30", "573524")
_HAIR = ("1c1715", "2f211a", "4a3022", "6f4728", "99703e", "c9a35d", "8a8681", "d9d5cf", "7c2f1d")
_CLOTH = (
    "e4572e", "f3a712", "f0c808", "7fb069", "2e8b57", "17a398", "3da5d9", "2364aa", "1b3a6b", "6a4c93", "a23b72",
    "d1495b", "ef798a", "f5f0e6", "e8e4d9", "c9ccd1", "6b7280", "30343f", "16181d", "8d5a3b", "b8a07e", "6b8f71",
    "9bd1e5", "f7c59f",
)  # fmt: skip
_TROUSERS = (
    "2b3a55",
    "3d5a80",
    "1d2433",
    "5b6770",
    "8a8f98",
    "c2b59b",
    "7a6a53",
    "4b5d45",
    "6d2e3a",
    "e6e1d6",
    "23201f",
)
_SHOES = ("f4f4f2", "1b1b1d", "7a4b2b", "c8402f", "2f5d8c", "8f9499", "e0b83c")
PATTERNS = ("plain", "hoops", "stripes", "emblem", "buttons", "jacket", "chequers", "yoke")
HAIRSTYLES = ("short", "long", "bun", "tail", "bald", "cap", "beanie", "full")


def colour(code: str) -> Colour:
    """``rrggbb`` to 0..1."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255.0


@dataclass(frozen=True, eq=False)
class Outfit:
    """Colours 0..1, and which garments; lengths are parts of the limb that is covered.

    Attributes:
        skin: the skin's colour.
        hair: the hair's colour.
        hairstyle: one of `HAIRSTYLES`.
        hat: a cap's or beanie's colour.
        beard: whether there is one.
        glasses: whether there are some.
        lips: the mouth's colour.
        shirt: the shirt's colour.
        second: the colour of its pattern.
        pattern: one of `PATTERNS`.
        sleeve: 0 none, 0.6 of the upper arm, 2 down to the wrist.
        sleeve_colour: mostly the shirt's.
        collar: the neckband's colour.
        trousers: their colour.
        leg: 0.45..0.95 of the thigh (shorts) or 2 down to the ankle.
        loose: how much wider than the limb clothes are, as a factor.
        skirt: whether a skirt is worn.
        untucked: whether the shirt hangs over the belt.
        belt: the belt's colour.
        shoes: their colour.
        sole: their soles'.
        socks: the socks' colour.
        backpack: its colour, or None.
    """

    skin: Colour
    hair: Colour
    hairstyle: str
    hat: Colour
    beard: bool
    glasses: bool
    lips: Colour
    shirt: Colour
    second: Colour
    pattern: str
    sleeve: float
    sleeve_colour: Colour
    collar: Colour
    trousers: Colour
    leg: float
    loose: float
    skirt: bool
    untucked: bool
    belt: Colour
    shoes: Colour
    sole: Colour
    socks: Colour
    backpack: Colour | None


def sample_outfit(rng: np.random.Generator, feminine: bool, skirt_possible: bool) -> Outfit:
    """Clothes by chance, with the second colour set off from the first."""

    def pick(codes: tuple[str, ...]) -> Colour:
        return np.minimum(np.maximum(colour(codes[rng.integers(len(codes))]) * rng.normal(1.0, 0.05, 3), 0.03), 0.97)

    skin, shirt, second = pick(_SKIN), pick(_CLOTH), pick(_CLOTH)
    if abs(float((shirt - second).mean())) < 0.18:
        second = np.clip(shirt + (0.42 if shirt.mean() < 0.5 else -0.38), 0.03, 0.97)
    styles = (2.2, 2.4, 1.0, 1.2, 0.1, 0.5, 0.4, 0.6) if feminine else (4.0, 0.5, 0.2, 0.15, 1.0, 1.0, 0.8, 0.9)
    trousers = pick(_TROUSERS)
    if np.abs(trousers - shirt).max() < 0.12:
        trousers = np.clip(trousers * 0.55, 0.03, 0.97)
    skirt = skirt_possible and feminine and rng.random() < 0.35
    sleeve_colour = second if rng.random() < 0.14 else shirt
    return Outfit(
        skin=skin,
        hair=pick(_HAIR),
        hairstyle=HAIRSTYLES[choose(rng, styles)],
        hat=pick(_CLOTH),
        beard=not feminine and rng.random() < 0.3,
        glasses=rng.random() < 0.18,
        lips=np.clip(skin * (0.86, 0.55, 0.55) if feminine else skin * (0.8, 0.62, 0.6), 0, 1),
        shirt=shirt,
        second=second,
        pattern=PATTERNS[choose(rng, (0.24, 0.14, 0.08, 0.16, 0.12, 0.12, 0.06, 0.08))],
        sleeve=(0.0, 0.62, 2.0)[choose(rng, (0.12, 0.46, 0.42))],
        sleeve_colour=sleeve_colour,
        collar=second if rng.random() < 0.3 else shirt * 0.85,
        trousers=second if skirt and rng.random() < 0.4 else trousers,
        leg=float(rng.uniform(0.45, 0.9)) if rng.random() < 0.28 else 2.0,
        loose=float(rng.uniform(1.03, 1.26)),
        skirt=skirt,
        untucked=rng.random() < 0.6,
        belt=colour(_SHOES[1]) if rng.random() < 0.5 else colour("5a3a22"),
        shoes=pick(_SHOES),
        sole=colour("efeeea") if rng.random() < 0.6 else colour("2a2522"),
        socks=colour("f2f2f0") if rng.random() < 0.6 else colour("2c2f36"),
        backpack=pick(_CLOTH) if rng.random() < 0.1 else None,
    )
