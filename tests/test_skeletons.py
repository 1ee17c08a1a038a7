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
        )
        assert skeleton.num_keypoints == 3
        assert skeleton.flip_indices == (2, 1, 0)
        assert skeleton.index("right_tip") == 2


def test_the_optional_keys_are_optional(tmp_path) -> None:
    skeleton = skeletons.load(write(tmp_path, "name: dot\nkeypoints: [{name: p, sigma: 1}]"))
    assert (skeleton.edges, skeleton.flip_pairs, skeleton.upper_body) == ((), (), ())
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
