"""A small set of labels without a fault, for tests to break."""

import copy

import numpy as np
import pytest

NAMES = ["nose", "left_eye", "right_eye", "left_hip", "right_hip"]
SHAPE = np.array([[0.5, 0.2], [0.6, 0.1], [0.4, 0.15], [0.7, 0.8], [0.3, 0.85]])


def people(count, size=(120, 160)):
    """`count` people, three to a picture, all well labelled and looking at us."""
    height, width = size
    draw = np.random.default_rng(0)
    rows = []
    for n in range(count):
        side = draw.uniform(30, 50)
        x, y = n % 3 * 50 + 2.0, draw.uniform(2, height - 60)
        points = np.array([x, y]) + (SHAPE + draw.normal(0, 0.02, SHAPE.shape)) * side
        triples = np.concatenate([points, np.full((5, 1), 2.0)], 1)
        row = {"id": n + 1, "image_id": n // 3, "category_id": 1, "iscrowd": 0, "num_keypoints": 5}
        row |= {"keypoints": triples.flatten().tolist(), "bbox": [x, y, side, side], "area": side * side / 2}
        rows.append(row)
    pictures = [
        {"id": n, "file_name": f"{n:03d}.png", "height": height, "width": width} for n in range((count + 2) // 3)
    ]
    category = {"id": 1, "name": "cat", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3], [1, 4], [1, 5]]}
    return {"images": pictures, "annotations": rows, "categories": [category]}


@pytest.fixture(scope="session")
def _good():
    return people(60)


@pytest.fixture
def labels(_good):
    """The content of a good file, the test's own to break."""
    return copy.deepcopy(_good)
