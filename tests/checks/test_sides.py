"""People with left and right exchanged stand out from the others."""

import gzip
import json

import numpy as np

from poserior.checks import read_labels
from poserior.checks.sides import MARGIN, side_scores, swapped_people
from poserior.checks.skeleton import mirror_pairs


def exchange(points, labelled, pairs, bad):
    order = np.arange(points.shape[1])
    for a, b in pairs:
        order[[a, b]] = b, a
    points, labelled = points.copy(), labelled.copy()
    points[bad], labelled[bad] = points[bad][:, order], labelled[bad][:, order]
    return points, labelled


def test_exchanged_people_are_found_among_people_of_both_views():
    """Half look at us and show the nose, half look away and do not: only both together tell the sides."""
    draw = np.random.default_rng(0)
    count = 600
    front = draw.random(count) < 0.5
    points = np.zeros((count, 5, 2))
    side = np.where(front, 1.0, -1.0)[:, None]
    points[:, 1::2, 0] = side * 20 + draw.normal(0, 5, (count, 2))
    points[:, 2::2, 0] = -side * 20 + draw.normal(0, 5, (count, 2))
    points[:, 1:, 1] = np.array([30, 30, 80, 80]) + draw.normal(0, 5, (count, 4))
    labelled = np.ones((count, 5), bool)
    labelled[:, 0] = front
    bad = draw.random(count) < 0.05
    pairs = [(1, 2), (3, 4)]
    scores = side_scores(*exchange(points, labelled, pairs, bad), pairs)
    flagged = scores < -MARGIN
    assert (flagged & bad).sum() >= 0.8 * bad.sum()
    assert (flagged & ~bad).sum() == 0


def test_on_coco(real_data):
    """5 % of COCO's validation people exchanged: what is reported is mostly right, and more than a third is found."""
    with gzip.open(real_data("coco_keypoints") / "person_keypoints_val2017_rebuilt.json.gz") as file:
        labels, _ = read_labels(json.load(file))
    pairs = mirror_pairs(labels.names)
    usable = labels.labelled.sum(1) >= 6
    bad = np.random.default_rng(1).random(int(usable.sum())) < 0.05
    points, labelled = exchange(labels.keypoints[usable, :, :2], labels.labelled[usable], pairs, bad)
    flagged = side_scores(points, labelled, pairs) < -MARGIN
    assert (flagged & bad).sum() > 0.8 * flagged.sum()
    assert (flagged & bad).sum() > 0.4 * bad.sum()


def test_a_few_people_tell_nothing(labels):
    assert swapped_people(read_labels(labels)[0]) == []
