import numpy as np
import pytest
import torch

from poserior.areas import BOX_TO_AREA
from poserior.calibration import expected_oks
from poserior.dense.decode import candidates
from poserior.dense.expected_iou import expected_iou
from poserior.dense.heads import DenseFixed, DenseMixture, DenseRLE
from poserior.dense.predictor import DensePredictor
from poserior.errors import InputError
from poserior.outputs import coco_entry, detection_entry
from tests.dense.small_models import HANDS, picture, small_model


def poses(kind="mixture", refine=False):
    torch.manual_seed(1)
    head = {"fixed": DenseFixed, "mixture": DenseMixture, "rle": DenseRLE}[kind](6, HANDS.oks_sigmas, channels=7)
    return small_model(head, refine=refine)


def objects():
    torch.manual_seed(1)
    return small_model(DenseMixture(6, (1.0,), components=3, channels=7), skeleton=None, categories=3)


def tensors(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def test_a_picture_of_the_canvas_size_by_hand():
    """No resampling: cells times 4 are pixels."""
    model, spec = poses()
    image = picture(40, 56)
    people = DensePredictor(model, spec, threshold=0.0, count=6, score="centre", device="cpu")([image])[0]
    with torch.no_grad():
        found = candidates(model.predict(tensors(image)), model.head, 6)
    assert len(people) == int((found.score > 0).sum()) > 3
    for n, person in enumerate(people):
        assert torch.allclose(person.keypoints, 4 * found.points[0, n], atol=1e-4)
        corner = found.centre[0, n] - found.size[0, n] / 2
        assert torch.allclose(person.box_xyxy[:2], 4 * corner, atol=1e-4)
        assert torch.allclose(person.covariance, 16 * found.density.covariance[0, n], rtol=1e-4)
        assert person.score == pytest.approx(float(found.score[0, n]), abs=1e-6)
        assert person.component == int(found.component[0, n])
        assert (person.image_id, person.visibility.tolist()) == (0, [1] * 5)
        area = float(np.prod(4 * found.size[0, n].numpy())) * BOX_TO_AREA
        assert person.area == pytest.approx(area, rel=1e-4)
        oks = expected_oks(person.distribution, area, HANDS.oks_sigmas, person.keypoints)
        assert torch.allclose(person.confidence, oks, atol=1e-5)
        assert torch.allclose(person.distribution.mean, 4 * (found.anchor[0, n] + found.density.mean[0, n]), atol=1e-3)
        assert person.modes.keypoints.shape == (5, 3, 2)
        nearest = (person.modes.keypoints - person.keypoints[:, None]).norm(dim=-1).amin(1)
        assert nearest.max() < 1e-3  # the answer is one of the whole poses
        assert person.modes.weights[:, 0].tolist() == [pytest.approx(float(person.modes.weights.max()))] * 5


@pytest.mark.parametrize("kind", ["fixed", "mixture", "rle"])
def test_the_default_score_is_the_centre_times_what_can_be_expected(kind):
    model, spec = poses(kind)
    options = {"threshold": 0.0, "count": 8, "device": "cpu"}
    image = picture(40, 56)
    by_centre = {
        tuple(person.box_xyxy.tolist()): person
        for person in DensePredictor(model, spec, score="centre", **options)([image])[0]
    }
    people = DensePredictor(model, spec, **options)([image])[0]
    assert [person.score for person in people] == sorted((person.score for person in people), reverse=True)
    assert len(people) == len(by_centre) > 3
    for person in people:
        centre = by_centre[tuple(person.box_xyxy.tolist())].score
        assert person.score == pytest.approx(centre * float(person.confidence.mean()), abs=1e-6)


def test_boxes_by_hand():
    model, spec = objects()
    image = picture(40, 56)
    found_boxes = DensePredictor(model, spec, threshold=0.0, count=7, device="cpu")([image], image_ids=["a"])[0]
    with torch.no_grad():
        found = candidates(model.predict(tensors(image)), model.head, 7)
    law = found.density
    promise = expected_iou(law, found.size[:, :, None])[0, :, 0]
    scores = (found.score[0] * promise).sort(descending=True)
    assert [box.score for box in found_boxes] == pytest.approx(scores.values[: len(found_boxes)].tolist(), abs=1e-5)
    for box, n in zip(found_boxes, scores.indices.tolist(), strict=False):
        low, high = box.box_xyxy[:2], box.box_xyxy[2:]
        assert torch.allclose((low + high) / 2, 4 * found.centre[0, n], atol=1e-3)
        assert torch.allclose(high - low, 4 * found.size[0, n], atol=1e-3)
        assert torch.allclose(box.size_covariance, 16 * law.covariance[0, n, 0], rtol=1e-4, atol=1e-3)
        assert box.expected_iou == pytest.approx(float(promise[n]), abs=1e-5)
        assert (box.category, box.image_id, box.categories) == (int(found.category[0, n]), "a", spec.categories)
        sizes = (box.boxes_xyxy[:, 2:] - box.boxes_xyxy[:, :2]) / 4
        assert torch.allclose(sizes, model.head.modes(law)[0, n, :, 0].clamp(min=0), atol=1e-3)
        assert torch.allclose(box.weights, model.head.weights(law)[0, n])
        entry = detection_entry(box)
        assert entry["bbox"][2:] == pytest.approx((high - low).tolist(), abs=2e-3)
        assert (entry["category_id"], entry["category"]) == (box.category + 1, spec.categories[box.category])
        assert len(entry["components"]) == 3


def test_pictures_of_all_sizes_are_answered_as_if_alone():
    """In one batch and in many, in their own size and on the canvas."""
    model, spec = poses()
    images = [picture(40, 56), picture(9, 70, 1), picture(120, 33, 2), picture(41, 50, 3), picture(40, 49, 4)]
    for size in (None, "original", (64, 48)):
        options = {"threshold": 0.0, "count": 4, "image_size": size, "device": "cpu"}
        together = DensePredictor(model, spec, batch_size=3, **options)(images)
        alone = DensePredictor(model, spec, batch_size=1, **options)
        for n, (image, people) in enumerate(zip(images, together, strict=True)):
            (single,) = alone([image])
            assert [person.image_id for person in people] == [n] * len(single)
            for one, other in zip(people, single, strict=True):
                assert torch.allclose(one.keypoints, other.keypoints, atol=1e-3)
                assert one.score == pytest.approx(other.score, abs=1e-6)


def test_an_answer_lies_in_the_picture_wherever_its_canvas_puts_it():
    """A bright spot is the centre of a network that looks for brightness; letterboxed, it is found where it is."""
    model, spec = poses("fixed")
    for layer in (model.backbone.first, model.backbone.second):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        model.backbone.first.weight[0] = 1 / 48
        model.backbone.second.weight[0, 0, 1, 1] = 1
    branches = model.stacks[0]
    for name in ("centre", "offset", "size"):
        first, _, last = getattr(branches, name)
        for layer in (first, last):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        with torch.no_grad():
            first.weight[0, 0, 1, 1] = 1
            if name == "centre":
                last.weight[0, 0], last.bias[0] = 20, -8
            if name == "size":
                last.bias[:] = 3
    for height, width, x, y in ((80, 200, 150, 40), (200, 150, 60, 120), (40, 56, 30, 17)):
        cell = 4 * max(height / 40, width / 56, 1)
        rows, columns = np.indices((height, width)) + 0.5
        cone = np.clip(1 - np.hypot(rows - y, columns - x) / (2 * cell), 0, 1)
        image = np.repeat((255 * cone).astype(np.uint8)[..., None], 3, -1)
        for size in (None, "original"):
            predictor = DensePredictor(model, spec, threshold=0.5, score="centre", image_size=size, device="cpu")
            box_xyxy = predictor([image])[0][0].box_xyxy
            assert ((box_xyxy[:2] + box_xyxy[2:]) / 2).tolist() == pytest.approx([x, y], abs=cell / 2 + 0.1)


def test_refinement_moves_points_and_says_their_heat():
    model, spec = poses(refine=True)
    image, options = picture(40, 56), {"threshold": 0.0, "count": 6, "score": "centre", "device": "cpu"}
    refined, plain = (DensePredictor(model, spec, refine=r, **options)([image])[0] for r in (None, False))
    moved = torch.stack([(a.keypoints - b.keypoints).norm(dim=-1) for a, b in zip(refined, plain, strict=True)])
    reach = torch.tensor([0.3 * float((p.box_xyxy[2:] - p.box_xyxy[:2]).max()) for p in plain])
    assert (moved > 0.01).any()
    assert (moved <= reach[:, None] + 1e-3).all()
    for a, b in zip(refined, plain, strict=True):
        assert torch.equal(a.covariance, b.covariance)  # the density is what it was
        assert ((a.visibility >= 0) & (a.visibility <= 1)).all()
        assert b.visibility.tolist() == [1] * 5


def test_tiny_pictures_and_pictures_of_nobody():
    model, spec = poses()
    predictor = DensePredictor(model, spec, threshold=0.0, count=3, device="cpu")
    tiny = predictor([picture(1, 1), picture(8, 8), picture(1, 300)])
    assert all(bool(person.keypoints.isfinite().all()) for people in tiny for person in people)
    assert predictor([]) == []
    for flip_test in (False, True):
        for made in (poses(refine=True), objects()):
            nobody = DensePredictor(*made, threshold=1.0, flip_test=flip_test, scales=(0.5, 1), device="cpu")
            assert nobody([picture(30, 40), picture(8, 8)]) == [[], []]


def test_paths_and_names(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "one.png"), picture(30, 40)[..., ::-1])
    model, spec = poses()
    predictor = DensePredictor(model, spec, threshold=0.0, count=2, device="cpu")
    (by_path,), (by_array,) = predictor([tmp_path / "one.png"]), predictor([torch.from_numpy(picture(30, 40))])
    assert [person.image_id for person in by_path] == ["one.png"] * len(by_array)
    assert [coco_entry(p)["keypoints"] for p in by_path] == [coco_entry(p)["keypoints"] for p in by_array]
    assert coco_entry(by_path[0])["component"] == by_path[0].component


def test_bad_input_is_one_sentence():
    model, spec = poses()
    predictor = DensePredictor(model, spec, device="cpu")
    with pytest.raises(InputError, match="expected image 0 as RGB"):
        predictor([picture(8, 9)[..., 0]])
    with pytest.raises(InputError, match="expected image 1 as RGB"):
        predictor([picture(8, 9), np.zeros((8, 9, 4), np.uint8)])
    with pytest.raises(InputError, match="no boxes for a one-stage network"):
        predictor([picture(8, 9)], boxes=[np.array([[0, 0, 4, 4]])])
    assert len(predictor([picture(8, 9)], boxes=[None], scores=[None])) == 1
    for options, message in (
        ({"refine": True}, "keypoint heat for refine"),
        ({"scales": ()}, "expected scales"),
        ({"scales": (0.0,)}, "expected scales"),
        ({"nms": "hard"}, "expected nms"),
        ({"batch_size": 0}, "at least 1"),
        ({"image_size": "whole"}, "expected image_size"),
    ):
        with pytest.raises(InputError, match=message):
            DensePredictor(model, spec, device="cpu", **options)
