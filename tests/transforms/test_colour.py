import numpy as np
import pytest

from poserior.transforms.colour import LUMA, colour_matrix, jitter


def through(matrix: np.ndarray, rgb: list[int]) -> np.ndarray:
    return matrix @ [*rgb, 1.0]


def test_each_change_by_hand() -> None:
    np.testing.assert_allclose(through(colour_matrix(1.2, 1.0, 1.0, 0.0), [10, 20, 30]), [12, 24, 36])
    np.testing.assert_allclose(through(colour_matrix(1.0, 0.5, 1.0, 0.0), [27.5, 127.5, 227.5]), [77.5, 127.5, 177.5])
    np.testing.assert_allclose(through(colour_matrix(1.0, 1.0, 0.0, 0.0), [10, 20, 30]), [LUMA @ [10, 20, 30]] * 3)
    # A third of a turn about the grey axis sends red to green to blue.
    np.testing.assert_allclose(through(colour_matrix(1.0, 1.0, 1.0, 2 * np.pi / 3), [7, 0, 0]), [0, 7, 0], atol=1e-12)


@pytest.mark.parametrize("hue", [-0.5, 0.1, 2.0])
def test_grey_stays_grey_under_hue_and_saturation(hue: float) -> None:
    np.testing.assert_allclose(through(colour_matrix(1.0, 1.0, 1.4, hue), [90, 90, 90]), [90] * 3)


def test_jitter_is_the_matrix_rounded_and_saturated() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    brightness, contrast, saturation, hue = np.random.default_rng(3).uniform(-0.4, 0.4, 4)
    matrix = colour_matrix(1 + brightness, 1 + contrast, 1 + saturation, hue)
    expected = (np.concatenate([image, np.ones((5, 7, 1))], -1) @ matrix.T).clip(0, 255)
    got = jitter(image, 0.4, np.random.default_rng(3))
    assert got.dtype == np.uint8
    assert np.abs(got - expected).max() < 0.7  # OpenCV computes in fixed point
