import pytest
import torch

from poserior import skeletons
from poserior.inference import without_duplicates
from poserior.structures import Prediction

SKELETON = skeletons.load("lsp14")


def person(x, score, image_id):
    return Prediction(
        keypoints=torch.full((14, 2), 20.0) + torch.tensor([x, 0.0]),
        covariance=torch.eye(2).expand(14, 2, 2),
        visibility=torch.ones(14),
        confidence=torch.full((14,), score),
        score=score,
        box_xyxy=torch.tensor([0.0, 0.0, 40.0, 50.0]),
        skeleton=SKELETON,
        image_id=image_id,
    )


def test_duplicates_go_within_a_picture_alone():
    people = [person(0, 0.2, "a"), person(0, 0.9, "b"), person(0.5, 0.8, "a"), person(25, 0.1, "a")]
    kept = without_duplicates(people, 0.5)
    assert [(p.image_id, p.score) for p in kept] == [("b", 0.9), ("a", 0.8), ("a", 0.1)]
    assert without_duplicates([], 0.5) == []


@pytest.mark.parametrize(("area_per_box", "count"), [(0.02, 2), (1.0, 1)])
def test_the_area_is_the_boxs_share(area_per_box, count):
    """5 pixels apart are alike for a large object and not for a small one."""
    people = [person(0, 0.5, 1), person(5, 0.4, 1)]
    assert len(without_duplicates(people, area_per_box, 0.7)) == count
