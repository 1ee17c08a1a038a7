import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior import skeletons
from poserior.calibration import Conformal, RegionScores, instance_confidence
from poserior.export.metadata import regions_table
from poserior.outputs import Person
from poserior.pictures import PersonInPicture
from poserior.portable import OnnxPredictor, PortablePrediction, PortableRegion
from poserior.portable.predictor import person_score
from poserior.portable.regions import RegionTable
from poserior.structures import Prediction, Region, Sample
from poserior.transforms import TopDown


def test_a_person_is_written_as_its_twin_of_tensors():
    generator = np.random.default_rng(0)
    count = 17
    parts = {
        "keypoints": generator.normal(100, 50, (count, 2)),
        "covariance": generator.normal(0, 9, (count, 2, 2)),
        "visibility": generator.random(count),
        "confidence": generator.random(count),
        "box_xyxy": np.array([1.25, 2.5, 100.125, 200.0625]),
    }
    parts = {name: value.astype(np.float32) for name, value in parts.items()}
    bounds = generator.random((2, count)).astype(np.float32)
    bounds[0, 3] = math.inf
    rest = {"score": 0.4321, "skeleton": skeletons.load("coco17"), "image_id": "a.jpg", "area": 1234.5}
    twin = Prediction(
        **{name: torch.from_numpy(value) for name, value in parts.items()},
        **rest,
        regions={0.9: Region(*map(torch.from_numpy, bounds))},
    )
    person = PortablePrediction(**parts, **rest, regions={0.9: PortableRegion(*bounds)})
    assert isinstance(person, Person)
    assert person.to_dict() == twin.to_dict()
    assert person.to_coco(3) == twin.to_coco(3)
    assert json.loads(json.dumps(person.to_coco(), allow_nan=False))["region_90"][3] is None


def test_the_persons_score_is_the_librarys():
    generator = np.random.default_rng(1)
    confidence, visibility = generator.random((2, 50, 17)).astype(np.float32)
    visibility[3] = 0
    expected = instance_confidence(torch.from_numpy(confidence), torch.from_numpy(visibility))
    assert person_score(confidence, visibility) == pytest.approx(expected.numpy(), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(-60, 260, width=32)] * 2),
    st.tuples(*[st.floats(0.5, 900, width=32)] * 2),
    st.sampled_from([(64, 48), (33, 57)]),
    st.sampled_from([1.0, 1.25]),
)
def test_crops_are_those_of_the_transform_to_the_bit(corner, sides, size, padding):
    pixels = np.random.default_rng(0).integers(0, 256, (130, 200, 3), np.uint8)
    box = np.array([*corner, corner[0] + sides[0], corner[1] + sides[1]], np.float32)
    sample = Sample(
        image=torch.from_numpy(pixels),
        keypoints=torch.zeros(3, 2),
        visibility=torch.zeros(3, dtype=torch.int64),
        box_xyxy=torch.from_numpy(box),
        area=1.0,
        skeleton=skeletons.load("coco17"),
        image_id=0,
    )
    expected = TopDown(size, padding)(sample)
    predictor = OnnxPredictor.__new__(OnnxPredictor)  # what cuts out needs no graph
    predictor.spec = type("Spec", (), {"image_size": size, "box_padding": padding})
    cut = predictor.cut_out(PersonInPicture(0, pixels, box, 1.0, 0))
    assert np.array_equal(cut.pixels, expected.image.numpy())
    assert np.array_equal(cut.crop, expected.crop.numpy())


@pytest.mark.parametrize("groups", [1, 3])
def test_regions_are_those_that_were_fitted(groups, tmp_path):
    generator = torch.Generator().manual_seed(0)
    people, count = 240, 5
    scores = RegionScores(*torch.rand(2, people, count, generator=generator))
    labelled = torch.rand(people, count, generator=generator) < 0.8
    labelled[:, 3] = False
    labelled[:12, 3] = True  # one keypoint with too few labels by group, one with none
    labelled[:, 4] = False
    area = torch.exp(torch.rand(people, generator=generator) * 6 + 3)
    fitted = Conformal.fit(scores, labelled, area, groups)
    content = json.loads(json.dumps(regions_table(fitted, {"class_path": "Conformal"})))
    asked = torch.exp(torch.rand(60, generator=generator) * 7 + 2)
    for coverage in (0.8, 0.9):
        table = RegionTable.asked_for(content, coverage, count, tmp_path)
        found = table.of(asked.numpy())
        radii, levels = fitted.radii(coverage, asked), fitted.levels(coverage, asked)
        assert np.array_equal([person[coverage].radius for person in found], radii.numpy())
        assert np.array_equal([person[coverage].level for person in found], levels.numpy())
    assert np.isinf(found[0][0.9].radius[4])
