"""Anybody's COCO keypoint results, their scores made to mean what they say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision.ops import box_iou
from tqdm import tqdm

from poserior.calibration import cross_fit_people, pose_features
from poserior.calibration.recalibrator import refuse_constant_scores
from poserior.errors import InputError
from poserior.geometry import xywh_to_xyxy
from poserior.inference.results import Match, match_people, unit_confidence
from poserior.metrics import keypoint_oks
from poserior.metrics.base import masked_mean
from poserior.metrics.coco_files import load_annotations, load_results
from poserior.skeletons import Skeleton

IGNORED = 0.5
"""A result that agrees so well with a crowd region or an unlabelled person, and less with a labelled one, is neither
right nor wrong: COCO's lowest demand."""


def recalibrate_results(
    results: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    skeleton: Skeleton,
    method: str = "boosting",
    folds: int = 5,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """The same results with calibrated scores, each by models that saw neither the person nor its picture.

    The third number of each keypoint becomes the OKS that can be expected of it if the person is one; ``score``
    the person's expected OKS, where a false detection's is 0. All else, coordinates to the last bit, and the order
    stay. Pairs of people and results are formed as in `results_to_evaluation`; of the results without a partner,
    those on crowds and unlabelled people teach nothing, the others count as false.

    Scores outside [0, 1] are mapped linearly onto it first.

    Args:
        results: entries ``{image_id, category_id, keypoints: [x, y, s, ...], score}``, pixel indices.
        annotations: a COCO annotation file's content.
        skeleton: what the keypoints are.
        method: see `poserior.calibration.Recalibrator`.
        folds: from 3.
        progress: show a bar on stderr.

    Raises:
        InputError: an entry is broken, doubled or foreign to the annotations; too few matched people; or the scores
            are all equal and the method looks at nothing else.
    """
    if folds < 3:
        raise InputError(f"expected at least 3 folds, found {folds}; give 5")
    category = _check(results, annotations, skeleton)
    match = match_people(results, annotations, skeleton)
    accuracy, labelled, oks = _reached(match, skeleton)
    box_xyxy = _boxes(results, match.said)
    image_id = [result["image_id"] for result in results]
    score = _unit(match.score)
    scores = unit_confidence(match.said[..., 2], match.score)
    refuse_constant_scores(scores.flatten(), method)
    person = torch.stack([score, *_rivals(box_xyxy, score, image_id)], 1)
    features = pose_features(match.said[..., :2], scores, box_xyxy, skeleton.edges, person)
    counted = ~((oks < IGNORED) & (_on_ignored(results, annotations, category, match.said, skeleton) >= IGNORED))
    with tqdm(total=folds * (folds + 1) // 2, desc="calibrate", disable=not progress, dynamic_ncols=True) as bar:
        confidence, fitted = cross_fit_people(
            features, accuracy, labelled, score, person, oks, counted, image_id, method, folds, bar.update
        )
    return [_rewritten(*entry) for entry in zip(results, confidence.tolist(), fitted.tolist(), strict=True)]


def _check(results: Sequence[Mapping[str, Any]], annotations: Mapping[str, Any], skeleton: Skeleton) -> Any:
    """The category that is calibrated, after everything that could be wrong was looked for."""
    categories = {str(result.get("category_id", 1)): result.get("category_id", 1) for result in results}
    if len(categories) != 1:
        raise InputError(
            f"expected results of one category, found {', '.join(sorted(categories)) or 'none'}; calibrate them one by"
            " one"
        )
    (category,) = categories.values()
    for row in annotations.get("categories") or ():
        if isinstance(row, dict) and row.get("id") == category and isinstance(row.get("keypoints"), list):
            _same_keypoints(row["keypoints"], skeleton)
    for kind in ("images", "annotations"):
        twice = _repeated([entry["id"] for entry in annotations[kind] if "id" in entry])
        if twice is not None:
            raise InputError(f"expected every id once in {kind!r}, found {twice!r} more than once; number them anew")
    truth = load_annotations(dict(annotations), skeleton.num_keypoints, category)
    load_results([dict(result) for result in results], truth, skeleton.num_keypoints)
    same = _repeated([(result["image_id"], *result["keypoints"], result["score"]) for result in results])
    if same is not None:
        raise InputError(
            f"expected every result once, found two identical ones in picture {same[0]!r}; leave one of them out"
        )
    return category


def _repeated(values: Sequence[Any]) -> Any:
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _same_keypoints(names: Sequence[Any], skeleton: Skeleton) -> None:
    """The category's keypoints are the skeleton's, in order; "Left Eye" and "left_eye" are one name."""
    plain = [str(name).lower().replace(" ", "_").replace("-", "_") for name in names]
    own = [name.lower().replace(" ", "_").replace("-", "_") for name in skeleton.keypoints]
    if plain == own:
        return
    if sorted(plain) == sorted(own):
        k = next(k for k in range(len(own)) if plain[k] != own[k])
        found = f"another order ({plain[k]} where {own[k]} should be)"
    else:
        found = f"{len(plain)} ({', '.join(plain[:5])}, ...)"
    raise InputError(
        f"expected the {len(own)} keypoints of skeleton {skeleton.name} in its order in the annotations' category,"
        f" found {found}; give the skeleton that fits"
    )


def _reached(match: Match, skeleton: Skeleton) -> tuple[Float[Tensor, "R K"], Bool[Tensor, "R K"], Float[Tensor, "R"]]:
    """Per result the OKS of its keypoints, which of them have a label, and the person's OKS; 0 without a partner."""
    p_index, r_index = (torch.tensor(column) for column in zip(*match.pairs, strict=True))
    truth = match.truth[p_index]
    seen = truth[..., 2] > 0
    target = truth[..., :2].where(seen[..., None], 0.0)
    near = keypoint_oks(match.said[r_index, :, :2], target, match.area[p_index], skeleton.oks_sigmas, seen)
    accuracy, labelled = torch.zeros_like(match.said[..., 0]), torch.zeros_like(match.said[..., 0], dtype=torch.bool)
    accuracy[r_index], labelled[r_index] = near.where(seen, 0.0), seen
    oks = torch.zeros_like(match.score)
    oks[r_index] = masked_mean(near, seen, dim=1)
    return accuracy, labelled, oks


def _boxes(results: Sequence[Mapping[str, Any]], said: Float[Tensor, "R K 3"]) -> Float[Tensor, "R 4"]:
    """The results' own boxes if all have one, else the extent of their keypoints: never the annotated ones."""
    if all(result.get("bbox") for result in results):
        return xywh_to_xyxy(torch.tensor([result["bbox"] for result in results], dtype=torch.float64))
    return torch.cat([said[..., :2].amin(1), said[..., :2].amax(1)], 1)


def _unit(score: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
    return unit_confidence(score[:, None], score)[:, 0]


def _rivals(
    box_xyxy: Float[Tensor, "R 4"], score: Float[Tensor, "R"], image_id: Sequence[int | str]
) -> list[Float[Tensor, "R"]]:
    """How many results the picture has, and the largest overlap (IoU) with a better-scored one of them."""
    here: dict[int | str, list[int]] = {}
    for r, picture in enumerate(image_id):
        here.setdefault(picture, []).append(r)
    many, overlap = torch.zeros_like(score), torch.zeros_like(score)
    for rows in here.values():
        many[rows] = float(len(rows))
        better = score[rows][None] > score[rows][:, None]
        overlap[rows] = (box_iou(box_xyxy[rows], box_xyxy[rows]).nan_to_num() * better).amax(1)
    return [many, overlap]


def _on_ignored(
    results: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    category: Any,
    said: Float[Tensor, "R K 3"],
    skeleton: Skeleton,
) -> Float[Tensor, "R"]:
    """COCO's similarity of every result with what its evaluation ignores: crowds and people without a label.

    Distances are those to the region's box grown to twice its size on each side; inside of it they are 0.
    """
    regions: dict[Any, list[Mapping[str, Any]]] = {}
    for person in annotations["annotations"]:
        unlabelled = not any(flag > 0 for flag in person.get("keypoints", [])[2::3])
        if person.get("category_id", 1) == category and person.get("bbox") and (person.get("iscrowd", 0) or unlabelled):
            regions.setdefault(person["image_id"], []).append(person)
    twice_squared = 2 * (2 * torch.tensor(skeleton.oks_sigmas, dtype=torch.float64)).square()
    best = torch.zeros(len(results), dtype=torch.float64)
    for r, result in enumerate(results):
        for region in regions.get(result["image_id"], ()):
            x, y, width, height = (float(value) for value in region["bbox"])
            low = torch.tensor([x - width, y - height], dtype=torch.float64)
            high = torch.tensor([x + 2 * width, y + 2 * height], dtype=torch.float64)
            outside = (low - said[r, :, :2]).clamp_min(0) + (said[r, :, :2] - high).clamp_min(0)
            area = float(region.get("area") or width * height)
            near = torch.exp(-outside.square().sum(-1) / twice_squared / max(area, 1e-9)).mean()
            best[r] = torch.maximum(best[r], near)
    return best


def _rewritten(result: Mapping[str, Any], confidence: list[float], score: float) -> dict[str, Any]:
    keypoints = list(result["keypoints"])
    keypoints[2::3] = confidence
    return {**result, "keypoints": keypoints, "score": score}
