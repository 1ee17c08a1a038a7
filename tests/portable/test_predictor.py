import sys
import threading
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from poserior.errors import InputError
from poserior.outputs import Person
from poserior.portable import OnnxPredictor

# A box of 30 x 20 at (100, 40). The crop of 48 x 64 keeps 3:4, so the box's side that counts is its width: with the
# padding of 1.25 the crop shows 37.5 x 50 pixels around (115, 50).
BOX = [[100.0, 40.0, 130.0, 60.0]]


def grey(level, height=90, width=200):
    return np.full((height, width, 3), level, np.uint8)


def test_a_planted_point_lands_on_the_pixel_worked_out_by_hand(tiny):
    ((person,),) = OnnxPredictor(tiny(), threads=1)([grey(51)], [BOX], scores=[[0.5]], image_ids=["a"])
    assert isinstance(person, Person)
    # Brightness 51 / 255 = 0.2 moves every keypoint by 0.2 of the crop's width.
    assert person.keypoints[0].tolist() == pytest.approx([115 + 0.3 * 37.5, 50 - 0.2 * 50], abs=1e-4)
    assert person.keypoints[2].tolist() == pytest.approx([115 - 0.3 * 37.5, 50 + 0.5 * 50], abs=1e-4)
    expected = [0.01 * 37.5**2, 0.002 * 37.5 * 50, 0.002 * 37.5 * 50, 0.0025 * 50**2]
    assert person.covariance[0].flatten().tolist() == pytest.approx(expected, rel=1e-5)
    assert person.visibility.tolist() == [0.5, 1, 0]
    # The graph sees the object's area in square crop pixels: half of 30 x 20 pixels, each 1.28 x 1.28 in the crop.
    in_crop = 0.5 * 600 * 1.28**2
    assert person.confidence.tolist() == pytest.approx([in_crop / (in_crop + 100)] * 3, rel=1e-5)
    assert person.score == pytest.approx(0.5 * in_crop / (in_crop + 100), rel=1e-5)
    assert person.area == pytest.approx(300)
    assert (person.image_id, person.box_xyxy.tolist(), person.skeleton.name) == ("a", BOX[0], "hands")
    assert {part.dtype for part in (person.keypoints, person.covariance, person.visibility)} == {np.dtype("float32")}


def test_a_predicted_share_of_the_box_is_the_area(tiny):
    ((person,),) = OnnxPredictor(tiny(share=0.25), threads=1)([grey(0)], [BOX])
    assert person.area == pytest.approx(150)
    in_crop = 0.5 * 600 * 1.28**2  # the graph itself corrects the area it is given
    assert person.confidence[0] == pytest.approx(in_crop / (in_crop + 100), rel=1e-5)


def test_people_of_many_pictures_share_batches_and_keep_their_order(tiny):
    predictor = OnnxPredictor(tiny(), batch_size=4, threads=1)
    images = [grey(51), grey(102, 70, 50), grey(0, 40, 60)]
    boxes = [[[10.0, 10, 60, 80], [60.0, 10, 110, 80]], [[5.0, 5, 20, 50]] * 3, np.zeros((0, 4))]
    sizes, run = [], predictor.run
    predictor.run = lambda crops, area: sizes.append(len(crops)) or run(crops, area)
    found = predictor(images, boxes)
    assert sizes == [4, 1]
    assert [[person.image_id for person in people] for people in found] == [[0, 0], [1, 1, 1], []]
    # The first picture's two people differ by their place alone.
    assert (found[0][1].keypoints - found[0][0].keypoints).tolist() == pytest.approx(np.array([[50, 0]] * 3), abs=1e-4)
    assert predictor([]) == []


def test_pictures_are_read_as_they_come_up(tiny):
    class Lazy(Sequence):
        read = 0

        def __len__(self):
            return 40

        def __getitem__(self, index):
            if index >= 40:
                raise IndexError
            # Type checks look at an item too, but not from the thread that reads.
            self.read += threading.current_thread() is not threading.main_thread()
            return grey(index)

    images, seen = Lazy(), []
    predictor = OnnxPredictor(tiny(), batch_size=4, threads=1)
    run = predictor.run
    predictor.run = lambda crops, area: seen.append(images.read) or run(crops, area)
    assert len(predictor(images)) == 40 == images.read
    # At most the batch at work and the next one.
    assert all(read <= 4 * (number + 2) for number, read in enumerate(seen))


def test_a_picture_that_cannot_be_read_ends_the_call_with_its_name(tiny, tmp_path):
    cv2.imwrite(str(tmp_path / "good.png"), grey(3))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    predictor = OnnxPredictor(tiny(), batch_size=1, threads=1)
    with pytest.raises(InputError, match=r"picture at .*bad\.png"):
        predictor([tmp_path / "good.png", tmp_path / "good.png", tmp_path / "bad.png", tmp_path / "good.png"])
    assert predictor([tmp_path / "good.png"])[0][0].image_id == "good.png"


@pytest.mark.parametrize(
    ("images", "boxes", "message"),
    [
        ("a.png", None, "list of images, found one str"),
        ([np.zeros((5, 5), np.uint8)], None, r"image 0 as RGB .* shape \(5, 5\)"),
        ([grey(0)], [], "each of 1 images, found 0"),
        ([grey(0)], [np.ones(4)], r"\(N, 4\)"),
        ([grey(0)], [[[1, 2, 3, 4], [1, 2]]], "rows of different lengths"),
        ([grey(0)], [[[10, 10, 10, 20]]], "positive width and height"),
        ([grey(0)], [[[0, 0, float("nan"), 20]]], "positive width and height"),
    ],
)
def test_unusable_input_is_refused_in_one_sentence(tiny, images, boxes, message):
    with pytest.raises(InputError, match=message):
        OnnxPredictor(tiny(), threads=1)(images, boxes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch size of at least 1"),
        ({"threads": 0}, "at least 1 thread"),
        ({"engine": "tensorrt"}, "onnxruntime or openvino, found 'tensorrt'"),
        ({"providers": ["NoProvider"]}, "CPUExecutionProvider.*found NoProvider"),
        ({"engine": "openvino", "providers": ["CPUExecutionProvider"]}, "with onnxruntime only"),
        ({"regions": 0.9}, "regions of coverage 0.9 .* found none"),
        ({"regions": 9.0}, "between 0 and 1, found 9"),
    ],
)
def test_options_that_cannot_be_met_are_refused(tiny, options, message):
    with pytest.raises(InputError, match=message):
        OnnxPredictor(tiny(), **options)


def test_openvino_runs_the_same_file(tiny):
    pytest.importorskip("openvino")
    path, images = tiny(share=0.3), [grey(level) for level in (0, 40, 200)]
    boxes = [BOX, BOX * 2, BOX]
    plain = OnnxPredictor(path, threads=1)(images, boxes)
    other = OnnxPredictor(path, threads=1, batch_size=3, engine="openvino")(images, boxes)
    for people, same in zip(plain, other, strict=True):
        for person, twin in zip(people, same, strict=True):
            assert twin.keypoints == pytest.approx(person.keypoints, abs=1e-4)
            assert twin.covariance == pytest.approx(person.covariance, rel=1e-5)
            assert twin.confidence == pytest.approx(person.confidence, rel=1e-5)
            assert (twin.score, twin.area) == pytest.approx((person.score, person.area), rel=1e-5)


def test_without_openvino_the_extra_is_named(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r'pip install "poserior\[openvino\]"'):
        OnnxPredictor(tiny(), engine="openvino")
