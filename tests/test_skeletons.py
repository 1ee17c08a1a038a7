import pytest

from poserior import skeletons
from poserior.errors import InputError

GOOD = """
name: hand
keypoints:
  - {name: left_tip, sigma: 0.03}
  - {name: palm, sigma: 0.08}
  - {name: right_tip, sigma: 0.04}
edges: [[left_tip, palm], [palm, right_tip]]
flip_pairs: [[left_tip, right_tip]]
upper_body: [palm]
parts: {tips: [left_tip, right_tip], rest: [palm]}
"""


def write(tmp_path, text: str):
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_ones_own_file(tmp_path) -> None:
    path = write(tmp_path, GOOD)
    for given in (path, str(path)):
        skeleton = skeletons.load(given)
        assert skeleton == skeletons.Skeleton(
            "hand",
            ("left_tip", "palm", "right_tip"),
            ((0, 1), (1, 2)),
            (("left_tip", "right_tip"),),
            (0.03, 0.08, 0.04),
            ("palm",),
            (("tips", ("left_tip", "right_tip")), ("rest", ("palm",))),
        )
        assert skeleton.part_indices == {"tips": (0, 2), "rest": (1,)}
        assert skeleton.num_keypoints == 3
        assert skeleton.flip_indices == (2, 1, 0)
        assert skeleton.index("right_tip") == 2


def test_the_optional_keys_are_optional(tmp_path) -> None:
    skeleton = skeletons.load(write(tmp_path, "name: dot\nkeypoints: [{name: p, sigma: 1}]"))
    assert (skeleton.edges, skeleton.flip_pairs, skeleton.upper_body, skeleton.parts) == ((), (), (), ())
    assert skeleton.flip_indices == (0,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: hand", "", r"own\.yaml is not usable: the key 'name' is missing"),
        ("{name: palm, sigma: 0.08}", "{name: palm}", "the key 'sigma' is missing"),
        ("{name: palm, sigma: 0.08}", "{sigma: 0.08}", "the key 'name' is missing"),
        ("{name: palm, sigma: 0.08}", "palm", "not usable"),
        ("sigma: 0.08", "sigma: wide", "could not convert string to float: 'wide'"),
        ("sigma: 0.08", "sigma: 0", "every sigma must be a positive number"),
        ("sigma: 0.08", "sigma: -1", "every sigma must be a positive number"),
        ("sigma: 0.08", "sigma: .nan", "every sigma must be a positive number"),
        ("sigma: 0.08", "sigma: .inf", "every sigma must be a positive number"),
        ("{name: palm, sigma", "{name: left_tip, sigma", "all differ in name"),
        ("[palm, right_tip]]\nflip", "[palm, thumb]]\nflip", "keypoint 'thumb', which it does not list"),
        ("[[left_tip, palm],", "[[left_tip, palm, right_tip],", "too many values"),
        ("flip_pairs: [[left_tip, right_tip]]", "flip_pairs: [[left_tip, thumb]]", "keypoint 'thumb'"),
        (
            "flip_pairs: [[left_tip, right_tip]]",
            "flip_pairs: [[left_tip, palm], [palm, right_tip]]",
            "one flip pair only",
        ),
        ("upper_body: [palm]", "upper_body: [elbow]", "keypoint 'elbow'"),
        ("rest: [palm]", "rest: [palm, thumb]", "keypoint 'thumb', which it does not list"),
        ("rest: [palm]", "rest: [palm, palm]", "the part 'rest' must have at least one keypoint, and each once"),
        ("rest: [palm]", "rest: []", "the part 'rest' must have at least one keypoint"),
        ("rest: [palm]", "rest: palm", "parts must be a mapping from each part's name to a list"),
        ("{tips: [left_tip, right_tip], rest: [palm]}", "[palm]", "parts must be a mapping"),
        ("upper_body: [palm]", "sigmas: [1]", r"unknown keys \['sigmas'\]"),
        ("name: hand", "name: [hand", "found a syntax error"),
        (GOOD, "- a\n- b", "found list at its top"),
        (GOOD, "", "found NoneType at its top"),
        (GOOD, "name: x\nkeypoints: []", "at least one"),
        (GOOD, "name: x\nkeypoints: 5", "not usable"),
    ],
)
def test_every_mistake_in_a_file_is_named(tmp_path, old, new, message) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=message) as error:
        skeletons.load(write(tmp_path, GOOD.replace(old, new)))
    assert "own.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_names(tmp_path) -> None:
    with pytest.raises(InputError, match=r"coco17, .*found 'coco18'"):
        skeletons.load("coco18")
    with pytest.raises(InputError, match=r"path of a YAML file, found .*absent\.yaml"):
        skeletons.load(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match=r"keypoint of skeleton 'coco17' .*found 'tail'"):
        skeletons.load("coco17").index("tail")


def test_cocos_numbers_are_cocos() -> None:
    from pycocotools.cocoeval import Params

    assert skeletons.load("coco17").oks_sigmas == pytest.approx(Params("keypoints").kpt_oks_sigmas.tolist(), rel=1e-12)


@pytest.mark.parametrize("name", skeletons.names())
def test_built_in_skeletons_are_consistent(name) -> None:
    skeleton = skeletons.load(name)
    assert skeleton.name == name
    order = skeleton.flip_indices
    assert [order[i] for i in order] == list(range(skeleton.num_keypoints))  # mirrored twice is itself
    for i, point in enumerate(skeleton.keypoints):
        swapped = point.replace("left_", "#").replace("right_", "left_").replace("#", "right_")
        assert skeleton.keypoints[order[i]] == swapped
    # The limbs are the same on both sides.
    edges = {frozenset(edge) for edge in skeleton.edges}
    assert {frozenset(order[i] for i in edge) for edge in edges} == edges
    assert all(0 <= i < skeleton.num_keypoints for indices in skeleton.part_indices.values() for i in indices)
    upper = {skeleton.index(point) for point in skeleton.upper_body}
    assert {order[i] for i in upper} == upper


def test_built_in_counts() -> None:
    counts = {"coco133": 133, "coco17": 17, "face14": 14, "h36m17": 17, "lsp14": 14, "mpii16": 16}
    assert {name: skeletons.load(name).num_keypoints for name in skeletons.names()} == counts


def test_h36m_has_the_order_of_the_motion_data(real_data) -> None:
    import numpy as np

    with np.load(real_data("mocap/cmu_17j_30fps.npz"), allow_pickle=False) as file:
        names = [str(name).lower() for name in file["joint_names"]]
    ours = skeletons.load("h36m17").keypoints
    assert len(names) == len(ours)
    for theirs, mine in zip(names, ours, strict=True):
        side = "right" if theirs.startswith(("r_", "right")) else "left" if theirs.startswith(("l_", "left")) else ""
        assert mine.startswith(side) if side else not mine.startswith(("left", "right"))


def test_lsp_and_coco_have_the_order_of_their_files(real_data) -> None:
    import json

    content = json.loads(real_data("lspet/annotations.json").read_text())
    assert tuple(content["categories"][0]["keypoints"]) == skeletons.load("lsp14").keypoints
    coco = json.loads(real_data("coco_images/annotations.json").read_text())
    assert tuple(coco["categories"][0]["keypoints"]) == skeletons.load("coco17").keypoints


def test_the_whole_body_is_coco_and_its_parts() -> None:
    whole, coco = skeletons.load("coco133"), skeletons.load("coco17")
    assert whole.keypoints[:17] == coco.keypoints
    assert whole.oks_sigmas[:17] == coco.oks_sigmas
    assert [indices[0] for indices in whole.part_indices.values()] == [0, 17, 23, 91, 112]
    assert sum(whole.part_indices.values(), ()) == tuple(range(133))
    # places that everybody who knows the 68 points of a face knows: chin, tip of the nose, corners of eyes and mouth
    face = {31: "chin", 53: "nose_bridge_4", 59: "right_eye_outer", 62: "right_eye_inner", 65: "left_eye_inner"}
    face |= {68: "left_eye_outer", 71: "right_lip_corner", 77: "left_lip_corner", 80: "lower_lip"}
    assert {k: whole.keypoints[k] for k in face} == face
    # the official mirror image: 16 - k on the jaw, 17 to 26, 31 to 35, 36 to 45, 48 to 54, 60 to 64 of the face
    order = whole.flip_indices
    for one, other in {
        0: 16,
        7: 9,
        8: 8,
        17: 26,
        21: 22,
        31: 35,
        36: 45,
        39: 42,
        40: 47,
        48: 54,
        55: 59,
        60: 64,
    }.items():
        assert order[23 + one] == 23 + other
    assert order[91:112] == tuple(range(112, 133))
    # both hands are equally hard; sums of the official constants of the face and of a hand
    assert whole.oks_sigmas[91:112] == whole.oks_sigmas[112:]
    assert sum(whole.oks_sigmas[91:112]) == pytest.approx(0.553)
    assert sum(whole.oks_sigmas[23:91]) == pytest.approx(1.137)
    assert sum(whole.oks_sigmas[17:23]) == pytest.approx(0.48)


@pytest.mark.parametrize("name", skeletons.names())
def test_a_written_skeleton_is_read_back(name, tmp_path) -> None:
    skeleton = skeletons.load(name)
    assert skeletons.load(write(tmp_path, skeletons.to_yaml(skeleton))) == skeleton


def test_keypoints_of_coco_are_known_by_name() -> None:
    for name in ("coco17", "mpii16"):  # for MPII the table is CCNet's
        skeleton = skeletons.load(name)
        found = [skeletons.sigma_by_name(point) for point in skeleton.keypoints]
        assert [sigma for sigma, _ in found] == list(skeleton.oks_sigmas)
    assert skeletons.sigma_by_name("RightKneeCap") == (0.087, "knee")
    assert skeletons.sigma_by_name("heart") is None  # not an ear
    assert skeletons.middle_sigma() == 0.072


@pytest.mark.parametrize("name", skeletons.names())
def test_mirror_names_are_the_flip_pairs(name) -> None:
    skeleton = skeletons.load(name)
    order = skeleton.flip_indices
    for i, point in enumerate(skeleton.keypoints):
        assert skeletons.mirror_name(point) == skeleton.keypoints[order[i]]


def test_parts_under_keys_of_their_own_become_one_list() -> None:
    hand = skeletons.Skeleton(
        "own", ("a", "b", "c"), (), (), (0.1,) * 3, (), (("body", ("a",)), ("left_hand", ("b", "c")))
    )
    assert skeletons.part_keys(hand) == {"body": "keypoints", "left_hand": "lefthand_kpts"}
    person = {"id": 7, "keypoints": [1, 2, 2], "lefthand_kpts": [3, 4, 0.3, 5, 6, 0.0], "num_keypoints": 1}
    (joined,) = skeletons.join_annotations([person], hand)
    assert (joined["keypoints"], joined["num_keypoints"]) == ([1, 2, 2, 3, 4, 1, 5, 6, 0], 2)
    assert skeletons.join_annotations([joined], hand) == [joined]
    (invalid,) = skeletons.join_annotations([{**person, "lefthand_valid": False}], hand)
    assert invalid["keypoints"] == [1, 2, 2, 0, 0, 0, 0, 0, 0]
    (result,) = skeletons.join_results([{**person, "score": 0.5}], hand)
    assert result["keypoints"] == [1, 2, 2, 3, 4, 0.3, 5, 6, 0.0]  # a result's third number is its confidence
    with pytest.raises(InputError, match=r"expected 6 numbers .* as 'lefthand_kpts' of annotation 7, found 5 values"):
        skeletons.join_annotations([{**person, "lefthand_kpts": [1, 2, 3, 4, 5]}], hand)
    assert skeletons.join_annotations([person], skeletons.load("coco17")) == [person]
