"""Which keypoints is the accuracy from? AP of some keypoints alone.

Source: Varamesh & Tuytelaars, CVPR 2020, Table 6.
"""

from collections.abc import Sequence
from typing import Any

from poserior.metrics.coco_files import load_annotations, load_results
from poserior.metrics.keypoint_eval import KeypointEval
from poserior.skeletons import Skeleton

Json = dict[str, Any]
FACE = ("nose", "eye", "ear", "mouth", "chin", "cheek", "brow")
SINGLE = ("nose", "ear", "shoulder", "wrist", "hip", "ankle")


def keypoint_subsets(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """The subsets of the paper that a skeleton has: all, facial, non-facial, nose, ears, shoulders, ...

    >>> from poserior import skeletons
    >>> subsets = keypoint_subsets(skeletons.load("coco17"))
    >>> list(subsets)
    ['all', 'facial', 'non-facial', 'nose', 'ears', 'shoulders', 'wrists', 'hips', 'ankles']
    >>> subsets["facial"], subsets["hips"]
    ((0, 1, 2, 3, 4), (11, 12))
    """
    parts = [name.removeprefix("left_").removeprefix("right_") for name in skeleton.keypoints]
    places = range(len(parts))
    groups = {
        "all": tuple(places),
        "facial": tuple(k for k in places if parts[k].split("_")[-1] in FACE),
        "non-facial": tuple(k for k in places if parts[k].split("_")[-1] not in FACE),
    }
    for part in SINGLE:
        groups[part if part == "nose" else f"{part}s"] = tuple(k for k in places if parts[k] == part)
    return {name: members for name, members in groups.items() if members}


def subset_average_precision(
    results: Sequence[Json], annotations: Json, skeleton: Skeleton, category_id: int | None = None
) -> dict[str, dict[str, float]]:
    """COCO's AP of each of the `keypoint_subsets`, as if no other keypoint had ever been labelled.

    The person's area, box and score stay; people in whom none of the subset is labelled are ignored, as crowds are.

    Args:
        results: COCO keypoint results.
        annotations: a COCO dictionary.
        skeleton: what the keypoints are.
        category_id: see `poserior.metrics.coco_average_precision`.

    Returns:
        By the subset's name: ``AP, AP50, AP75, ...``; not a number where nobody has such a keypoint.
    """
    truth = load_annotations(annotations, skeleton.num_keypoints, category_id)
    entries = load_results(list(results), truth, skeleton.num_keypoints)
    found = {}
    for name, members in keypoint_subsets(skeleton).items():
        people = [_labelled_only(person, members) for person in truth["annotations"]]
        found[name] = KeypointEval({**truth, "annotations": people}, entries, skeleton.oks_sigmas).stats_of()
    return found


def _labelled_only(person: Json, members: Sequence[int]) -> Json:
    points = list(person["keypoints"])
    for k in set(range(len(points) // 3)) - set(members):
        points[3 * k + 2] = 0.0
    labelled = sum(flag > 0 for flag in points[2::3])
    # whoever the file says has no keypoints is ignored whatever the flags say
    return {**person, "keypoints": points, "num_keypoints": labelled if person["num_keypoints"] else 0}
