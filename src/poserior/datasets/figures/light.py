"""The light that people, floor and walls share."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Light:
    """A key light, and the sky's.

    Attributes:
        direction: unit vector towards the key light, in the world.
        colour: the key light's RGB, about 0.5 to 0.8.
        ambient: the sky's RGB; less where the key light is strong.
    """

    direction: Float[np.ndarray, "3"]
    colour: Float[np.ndarray, "3"]
    ambient: Float[np.ndarray, "3"]


def sample_light(rng: np.random.Generator) -> Light:
    """A key light from above, warm or cool, and the sky's light."""
    turn, height = rng.uniform(-np.pi, np.pi), np.deg2rad(rng.uniform(32, 72))
    direction = np.array([np.sin(turn) * np.cos(height), np.sin(height), np.cos(turn) * np.cos(height)])
    warmth = rng.normal(0, 0.045)
    key = rng.uniform(0.52, 0.82)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    return Light(direction, key * tint, (1.1 - 0.66 * key) * (2 - tint) * rng.uniform(0.95, 1.08))
