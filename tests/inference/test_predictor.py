import cv2
import numpy as np
import pytest
import torch

from poserior import skeletons
from poserior.calibration import ExpectedOks, expected_oks
from poserior.errors import InputError
from poserior.inference.predictor import Predictor, load
from poserior.models import ModelSpec, build_model, save_model

LOC, SCALE = [[0.1, -0.2], [0.0, 0.0], [-0.5, 0.5]], [[0.1, 0.05], [0.02, 0.03], [0.2, 0.2]]
# A box of 30 x 20 at (100, 40). The crop of 48 x 64 keeps 3:4, so the box's side that counts is its width: with the
# padding of 1.25 the crop shows 37.5 x 50 pixels around (115, 50).
BOX = [[100.0, 40.0, 130.0, 60.0]]
CENTER, SIDES = (115.0, 50.0), (37.5, 50.0)


def picture(height=90, width=200, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("flip_test", [False, True])
def test_a_planted_point_lands_on_the_pixel_worked_out_by_hand(planted, flip_test):
    # With the flip test only the middle keypoint's law is its own mirror image.
    predictor = Predictor(planted.model(planted.Planted(LOC, SCALE)), planted.spec(), flip_test, device="cpu")
    ((person,),) = predictor([picture()], [BOX])
    if flip_test:
        assert person.keypoints[2, 1].item() == pytest.approx(50 + 0.5 * 50, abs=0.5)
        return
    assert person.keypoints[0].tolist() == pytest.approx([115 + 0.1 * 37.5, 50 - 0.2 * 50], abs=1e-4)
    assert person.keypoints[2].tolist() == pytest.approx([115 - 0.5 * 37.5, 50 + 0.5 * 50], abs=1e-4)
    assert person.covariance[0].flatten().tolist() == pytest.approx(
        [(0.1 * 37.5) ** 2, 0, 0, (0.05 * 50) ** 2], rel=1e-4
    )
    assert person.box_xyxy.tolist() == BOX[0]
    assert person.visibility.tolist() == [1, 1, 1]


def test_the_density_moves_with_the_point(planted):
    predictor = Predictor(planted.model(planted.Planted(LOC, SCALE)), planted.spec(), False, device="cpu")
    ((person,),) = predictor([picture()], [BOX])
    law = person.distribution
    torch.testing.assert_close(law.mode, person.keypoints)
    torch.testing.assert_close(law.covariance, person.covariance)
    # Nats per square pixel: the density at the mode is 1 / (2 pi s_x s_y).
    peak = -np.log(2 * np.pi * 0.1 * 37.5 * 0.05 * 50)
    assert law.log_prob(law.mode)[0].item() == pytest.approx(peak, abs=1e-4)


def test_confidence_is_the_expected_oks_at_the_boxs_area(planted):
    predictor = Predictor(planted.model(planted.Planted(LOC, SCALE)), planted.spec(), False, device="cpu")
    ((person,),) = predictor([picture()], [BOX], scores=[[0.5]])
    area, sigmas = 0.53 * 30 * 20, planted.HANDS.oks_sigmas
    torch.testing.assert_close(person.confidence, expected_oks(person.distribution, area, sigmas), atol=1e-5, rtol=1e-4)
    width = 2 * sigmas[0] * np.sqrt(area)
    spread = np.array([0.1 * 37.5, 0.05 * 50])
    by_hand = np.prod(width / np.sqrt(width**2 + spread**2))
    assert person.confidence[0].item() == pytest.approx(by_hand, rel=1e-4)
    assert person.score == pytest.approx(0.5 * person.confidence.mean().item(), rel=1e-5)


def test_score_weighs_by_visibility(planted):
    calibrator = ExpectedOks(3, 3)
    with torch.no_grad():
        calibrator.visibility.weight.zero_()
        calibrator.visibility.bias.copy_(torch.tensor([0.0, 20.0, -20.0]))
    model = planted.model(planted.Planted(LOC, SCALE), calibrator)
    ((person,),) = Predictor(model, planted.spec(), False, device="cpu")([picture()], [BOX])
    assert person.visibility.tolist() == pytest.approx([0.5, 1, 0], abs=1e-6)
    a, b, _ = person.confidence.tolist()
    assert person.score == pytest.approx((0.5 * a + b) / 1.5, rel=1e-5)


def test_a_predicted_area_widens_the_kernel_and_is_told(planted):
    calibrator = ExpectedOks(3, 3, area_per_box=0.53)
    with torch.no_grad():
        calibrator.area.bias.fill_(np.log(0.2))
    head = planted.Planted(LOC, SCALE)
    ((person,),) = Predictor(planted.model(head, calibrator), planted.spec(), False, device="cpu")([picture()], [BOX])
    assert person.area == pytest.approx(0.2 * 30 * 20, rel=1e-4)
    expected = expected_oks(person.distribution, 0.2 * 30 * 20, planted.HANDS.oks_sigmas)
    torch.testing.assert_close(person.confidence, expected, atol=1e-5, rtol=1e-4)
    ((plain,),) = Predictor(planted.model(head), planted.spec(), False, device="cpu")([picture()], [BOX])
    assert plain.area == pytest.approx(0.53 * 30 * 20, rel=1e-4)
    assert (plain.confidence > person.confidence).all()


def test_people_of_many_pictures_share_batches(planted):
    model = planted.model(planted.Centroids())
    images = [picture(90, 200, 1), picture(70, 50, 2), picture(40, 60, 3)]
    boxes = [[[10.0, 10, 60, 80], [50.0, 5, 150, 88]], [[5.0, 5, 20, 50]] * 3, []]
    seen = []
    model.backbone.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    together = Predictor(model, planted.spec(), False, batch_size=4, device="cpu")(images, boxes)
    assert seen == [4, 1]
    assert [len(people) for people in together] == [2, 3, 0]
    alone = Predictor(model, planted.spec(), False, batch_size=1, device="cpu")
    for image, box, people in zip(images, boxes, together, strict=True):
        for n, person in enumerate(people):
            ((single,),) = alone([image], [[box[n]]])
            torch.testing.assert_close(single.keypoints, person.keypoints, atol=1e-3, rtol=1e-5)
            torch.testing.assert_close(single.covariance, person.covariance, atol=1e-3, rtol=1e-4)
            assert single.score == pytest.approx(person.score, abs=1e-5)


def blobs(centers, height=128, width=96):
    """A dim picture with a red, a green and a blue spot."""
    y, x = np.mgrid[:height, :width] + 0.5
    spots = [np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 8**2)) for cx, cy in centers]
    return (np.stack(spots, -1) * 255).astype(np.uint8)


@pytest.mark.parametrize("flip_test", [False, True])
def test_coloured_spots_are_found_where_they_are(planted, flip_test):
    centers = [(48.0, 40.0), (48.0, 70.0), (48.0, 64.0)]  # on the mirror axis: both halves of the flip test agree
    predictor = Predictor(planted.model(planted.Centroids()), planted.spec(planted.HANDS), flip_test, device="cpu")
    if flip_test:
        centers[1] = centers[0]  # the halves exchange left and right
    ((person,),) = predictor([blobs(centers)], [[[8.0, 12.8, 88.0, 115.2]]])
    assert person.keypoints.numpy() == pytest.approx(np.array(centers), abs=0.7)


def test_the_mirrored_picture_has_the_mirrored_people(planted):
    image = blobs([(30.0, 40.0), (60.0, 70.0), (44.0, 90.0)])
    predictor = Predictor(planted.model(planted.Centroids()), planted.spec(), True, device="cpu")
    ((plain,),) = predictor([image], [[[10.0, 20.0, 80.0, 110.0]]])
    ((mirrored,),) = predictor([image[:, ::-1].copy()], [[[16.0, 20.0, 86.0, 110.0]]])
    order = [1, 0, 2]
    # Of the hands' two equal humps either may be the mode; the nose has one.
    assert mirrored.keypoints[2].tolist() == pytest.approx([96 - 44, 90], abs=0.7)
    assert plain.keypoints[2].tolist() == pytest.approx([44, 90], abs=0.7)
    back = mirrored.distribution.mean[order] * torch.tensor([-1.0, 1.0]) + torch.tensor([96.0, 0.0])
    torch.testing.assert_close(back, plain.distribution.mean, atol=0.2, rtol=0)
    sign = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    torch.testing.assert_close(mirrored.covariance[order] * sign, plain.covariance, atol=1.0, rtol=0.02)
    assert mirrored.score == pytest.approx(plain.score, abs=0.01)
    # The halves disagree about left and right, and the spread says so: half the distance of the spots.
    assert plain.covariance[0, 0, 0].sqrt().item() == pytest.approx(15, abs=4)


def test_without_boxes_a_picture_is_one_person(planted, tmp_path):
    image = picture(80, 60)
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    predictor = Predictor(planted.model(planted.Centroids()), planted.spec(), False, device="cpu")
    (from_array,), (from_tensor,), (from_file,) = predictor([image, torch.from_numpy(image), tmp_path / "a.png"])
    assert from_array.box_xyxy.tolist() == [0, 0, 60, 80]
    assert (from_array.image_id, from_tensor.image_id, from_file.image_id) == (0, 1, "a.png")
    torch.testing.assert_close(from_array.keypoints, from_file.keypoints)
    torch.testing.assert_close(from_array.keypoints, from_tensor.keypoints)
    assert predictor([]) == []


@pytest.mark.parametrize(
    ("images", "boxes", "message"),
    [
        ([np.zeros((5, 5), np.uint8)], None, r"image 0 as RGB .* shape \(5, 5\)"),
        ([np.zeros((5, 5, 3), np.float32)], None, "type float32"),
        ([np.zeros((5, 5, 3), np.uint8)], [], "each of 1 images, found 0"),
        ([np.zeros((5, 5, 3), np.uint8)], [np.ones(4)], r"\(N, 4\)"),
        ([np.zeros((5, 5, 3), np.uint8)], [[[1.0, 2, 1, 4]]], "positive width"),
        (["missing.jpg"], None, "missing.jpg"),
    ],
)
def test_bad_input_is_explained(planted, images, boxes, message):
    predictor = Predictor(planted.model(planted.Centroids()), planted.spec(), device="cpu")
    with pytest.raises(InputError, match=message):
        predictor(images, boxes)


def test_one_path_is_no_list(planted):
    predictor = Predictor(planted.model(planted.Centroids()), planted.spec(), device="cpu")
    with pytest.raises(InputError, match="found one str"):
        predictor("a.jpg")


def test_scores_must_match_the_boxes(planted):
    predictor = Predictor(planted.model(planted.Centroids()), planted.spec(), device="cpu")
    with pytest.raises(InputError, match="each of the 1 boxes of image 0, found 2"):
        predictor([picture()], [BOX], scores=[[0.5, 0.5]])
    with pytest.raises(InputError, match="batch size"):
        Predictor(planted.model(planted.Centroids()), planted.spec(), batch_size=0)


def test_a_saved_run_predicts_as_before(tmp_path):
    spec = ModelSpec({"name": "test_resnet"}, {"class_path": "RLE"}, skeletons.load("lsp14"), (64, 48))
    model = build_model(spec).eval()
    save_model(model, spec, tmp_path)
    ((before,),) = Predictor(model, spec, device="cpu")([picture()], [BOX])
    ((after,),) = load(tmp_path, device="cpu")([picture()], [BOX])
    torch.testing.assert_close(before.keypoints, after.keypoints)
    torch.testing.assert_close(before.covariance, after.covariance)
    assert before.keypoints.shape == (14, 2)
    assert bool((torch.linalg.eigvalsh(after.covariance) > 0).all())
    with pytest.raises(InputError, match=r"model\.yaml"):
        load(tmp_path / "nowhere")


def test_halves_of_the_flip_test_that_disagree_are_two_modes(planted):
    predictor = Predictor(planted.model(planted.Planted(LOC, SCALE)), planted.spec(), True, device="cpu")
    ((turned,),) = predictor([picture()], [BOX])
    assert turned.modes is not None
    # The hands: 0.1, -0.2 of the left one, and the right one's 0, 0 mirrored, many standard deviations apart.
    expected = [[115, 50], [115 + 0.1 * 37.5, 50 - 0.2 * 50]]
    assert np.array(sorted(turned.modes.keypoints[0].tolist())) == pytest.approx(np.array(sorted(expected)), abs=1e-3)
    assert turned.modes.weights[0].tolist() == [0.5, 0.5]
    # The nose at -0.5 and, mirrored, 0.5: five standard deviations of 0.2 apart.
    nose = [[115 - 0.5 * 37.5, 75], [115 + 0.5 * 37.5, 75]]
    assert np.array(sorted(turned.modes.keypoints[2].tolist())) == pytest.approx(np.array(nose), abs=1e-3)
    assert len(turned.to_coco()["modes"]) == 3
    alone = Predictor(planted.model(planted.Planted(LOC, SCALE)), planted.spec(), False, device="cpu")
    assert alone([picture()], [BOX])[0][0].modes is None
    agreeing = Predictor(planted.model(planted.Planted([[0.0, 0.1]] * 3, SCALE)), planted.spec(), True, device="cpu")
    assert agreeing([picture()], [BOX])[0][0].modes is None
