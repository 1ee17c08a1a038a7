import numpy as np
import pytest

from poserior.pictures.warp import warp


def test_averaging_is_exact_for_whole_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)
    crop = warp(image, np.array([[1 / 3, 0, 0], [0, 1 / 3, 0]]), (4, 6))
    expected = image.reshape(4, 3, 6, 3, 3).mean((1, 3))
    assert np.abs(crop - expected).max() <= 1  # two roundings


def test_a_shift_of_half_a_pixel_averages_neighbours() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, 1] = 200
    crop = warp(image, np.array([[1.0, 0, 0.5], [0, 1.0, 0]]), (2, 4))
    assert crop[0, :, 0].tolist() == [0, 100, 100, 0]


@pytest.mark.parametrize("zoom", [0.11, 0.19, 0.27])
def test_a_fine_pattern_becomes_grey_not_moire(zoom: float) -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    image[::2] = 254
    size = int(300 * zoom)
    crop = warp(image, np.array([[zoom, 0, 0], [0, zoom, 0]]), (size, size))[2:-2, 2:-2]
    assert abs(crop.mean() - 127) < 8
    assert crop.astype(float).std() < 30


def test_a_crop_of_a_far_corner_sees_only_that_corner() -> None:
    image = np.zeros((1000, 1000, 3), np.uint8)
    image[900:, 900:] = 255
    crop = warp(image, np.array([[0.1, 0, -90.0], [0, 0.1, -90.0]]), (20, 20))
    assert crop[1:9, 1:9].min() == 255
    assert crop[11:].max() == 0


def test_a_crop_beside_the_picture_is_black() -> None:
    image = np.full((50, 50, 3), 255, np.uint8)
    assert warp(image, np.array([[0.2, 0, 900.0], [0, 0.2, 0]]), (20, 20)).max() == 0
    assert warp(image, np.array([[2.0, 0, 900.0], [0, 2.0, 0]]), (20, 20)).max() == 0
