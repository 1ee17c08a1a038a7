"""Anybody's COCO keypoint results beside the annotations: the record without a density."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.errors import InputError
from poserior.geometry import BOX_TO_AREA, xywh_to_xyxy
from poserior.skeletons import Skeleton, join_annotations, join_results
from poserior.structures import Evaluation

_AT_ONCE = 4_000_000  # coordinates compared in one go: 64 MB


def labelled_people(
    annotations: Mapping[str, Any], results: Sequence[Mapping[str, Any]] | None = None
) -> list[Mapping[str, Any]]:
    """The annotations that count: no crowd regions, at least one labelled keypoint, a category the results speak of."""
    categories = None if results is None else {result.get("category_id", 1) for result in results}
    return [
        person
        for person in annotations["annotations"]
        if not person.get("iscrowd", 0)
        and (categories is None or person.get("category_id", 1) in categories)
        and any(flag > 0 for flag in person.get("keypoints", [])[2::3])
    ]


@dataclass(frozen=True, eq=False)
class Match:
    """P annotated people and R results, and who belongs to whom; in float64, coordinates as in the files.

    Attributes:
        people: the annotations that count.
        truth: ``(P, K, 3)`` their triples.
        area: ``(P,)`` square pixels; 0.53 times the box's where the file has none.
        box_xyxy: ``(P, 4)``.
        said: ``(R, K, 3)`` the results' triples.
        score: ``(R,)``.
        pairs: (person, result) in the order of the people.
    """

    people: list[Mapping[str, Any]]
    truth: Float[Tensor, "P K 3"]
    area: Float[Tensor, "P"]
    box_xyxy: Float[Tensor, "P 4"]
    said: Float[Tensor, "R K 3"]
    score: Float[Tensor, "R"]
    pairs: list[tuple[int, int]]


def match_people(results: Sequence[Mapping[str, Any]], annotations: Mapping[str, Any], skeleton: Skeleton) -> Match:
    """Set people and results side by side; rules, arguments and errors are those of `results_to_evaluation`."""
    joined = {"annotations": join_annotations(annotations["annotations"], skeleton)}
    results = join_results(results, skeleton)
    people = labelled_people(joined, results)
    if not people:
        raise InputError(
            "expected at least one annotated person with keypoints in the results' category, found none; check the"
            " annotations and the results' category_id"
        )
    truth = _triples(people, skeleton, "annotation")
    said = _triples(results, skeleton, "result")
    try:
        box_xyxy = xywh_to_xyxy(torch.tensor([person["bbox"] for person in people], dtype=torch.float64))
        area = torch.tensor([float(person.get("area", 0)) for person in people], dtype=torch.float64)
        score = torch.tensor([float(result["score"]) for result in results], dtype=torch.float64)
        truth_image, said_image = ([entry["image_id"] for entry in entries] for entries in (people, results))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"expected image_id and score in every result, and image_id, bbox and area in every annotation, found"
            f" {f'one without {error}' if isinstance(error, KeyError) else error}; complete the files"
        ) from None
    sides = box_xyxy[:, 2:] - box_xyxy[:, :2]
    area = torch.where(area > 0, area, BOX_TO_AREA * sides.prod(-1))
    sigmas = torch.tensor(skeleton.oks_sigmas, dtype=torch.float64)

    here: dict[Any, list[int]] = {}
    for r, image_id in enumerate(said_image):
        here.setdefault(image_id, []).append(r)
    rivals: dict[Any, list[int]] = {}
    for p, image_id in enumerate(truth_image):
        rivals.setdefault(image_id, []).append(p)
    both = [image_id for image_id in rivals if image_id in here]
    pairs = _match([(rivals[image_id], here[image_id]) for image_id in both], truth, said, area, box_xyxy, sigmas)
    if not pairs:
        raise InputError(
            f"expected results for the {len(people)} annotated people, found none of the {len(said)} in the same"
            " picture and place; check that image_id means the same in both files"
        )
    return Match(people, truth, area, box_xyxy, said, score, pairs)


def results_to_evaluation(
    results: Sequence[Mapping[str, Any]], annotations: Mapping[str, Any], skeleton: Skeleton, name: str
) -> Evaluation:
    """Set every annotated person beside one result of the same picture.

    Pairs are formed best OKS first, each result and each person at most once; a result whose keypoints lie all
    outside the person's box is no candidate. There is no lower bound on OKS, so a bad answer in the right place counts
    as one. People without a partner are missing from the record (COCO's AP counts them: take it from the full
    results); ``len(evaluation.image_id)`` of ``len(labelled_people(annotations, results))`` were found.

    The third number of each keypoint is its confidence if over the file all lie in [0, 1] and they vary within
    people; otherwise it is some other quantity (COCO's visibility flag, a constant), and each keypoint has its
    person's score. Scores outside [0, 1] are mapped linearly onto it: their order and correlations remain.

    Args:
        results: entries ``{image_id, category_id, keypoints: [x, y, s, ...], score}``, pixel indices.
        annotations: a COCO annotation file's content.
        skeleton: what the keypoints are.
        name: what tables call the result.

    Raises:
        InputError: another number of keypoints, broken entries, or no pair at all.
    """
    match = match_people(results, annotations, skeleton)
    people, truth, said, score = match.people, match.truth, match.said, match.score
    area, box_xyxy, pairs = match.area, match.box_xyxy, match.pairs
    p_index, r_index = (torch.tensor(column) for column in zip(*pairs, strict=True))
    confidence = unit_confidence(said[..., 2], score)[r_index]
    return Evaluation(
        name=name,
        skeleton=skeleton,
        image_id=tuple(people[p]["image_id"] for p, _ in pairs),
        annotation_id=tuple(_number(people[p].get("id"), p) for p, _ in pairs),
        keypoints=(said[r_index, :, :2] + 0.5).float(),
        confidence=confidence.float(),
        score=score[r_index].float(),
        target=torch.where(truth[p_index, :, 2:] > 0, truth[p_index, :, :2] + 0.5, 0.0).float(),
        target_visibility=truth[p_index, :, 2].long(),
        area=area[p_index].float(),
        box_xyxy=box_xyxy[p_index].float(),
    )


def _number(annotation_id: Any, position: int) -> int:
    """An annotation's id; its position where it has none or a name."""
    return annotation_id if isinstance(annotation_id, int) else position


def _triples(entries: Sequence[Mapping[str, Any]], skeleton: Skeleton, kind: str) -> Float[Tensor, "N K 3"]:
    numbers = 3 * skeleton.num_keypoints
    for n, entry in enumerate(entries):
        keypoints = entry.get("keypoints") if isinstance(entry, Mapping) else None
        if not isinstance(keypoints, list) or len(keypoints) != numbers:
            found = f"{len(keypoints)} numbers" if isinstance(keypoints, list) else "no list"
            raise InputError(
                f"expected {skeleton.num_keypoints} keypoints of {skeleton.name} (x, y, s each: {numbers} numbers) in"
                f" {kind} {n}, found {found}; name the right skeleton or correct the file"
            )
    try:
        triples = torch.tensor([entry["keypoints"] for entry in entries], dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected numbers as the keypoints of every {kind}, found others ({error})") from None
    if not bool(triples.isfinite().all()):
        bad = int((~triples.isfinite()).any(1).nonzero()[0])
        raise InputError(
            f"expected finite numbers as keypoints, found NaN or infinity in {kind} {bad}; correct the file"
        )
    return triples.view(-1, skeleton.num_keypoints, 3)


def _match(
    pictures: list[tuple[list[int], list[int]]],
    truth: Tensor,
    said: Tensor,
    area: Tensor,
    box_xyxy: Tensor,
    sigmas: Tensor,
) -> list[tuple[int, int]]:
    """Pairs (person, result) of all pictures, best first; ties of an OKS that underflows go by distance."""
    order: list[tuple[float, float, int, int]] = []
    every = torch.tensor([(p, r) for persons, results in pictures for p in persons for r in results], dtype=torch.long)
    for some in torch.split(every.view(-1, 2), max(1, _AT_ONCE // truth.shape[1])):
        person, result = some.unbind(-1)
        target, points = truth[person], said[result, :, :2]
        labelled = target[..., 2] > 0
        exponents = (points - target[..., :2]).square().sum(-1) / (2 * area[person, None] * (2 * sigmas) ** 2)
        oks = (exponents.neg().exp() * labelled).sum(-1) / labelled.sum(-1)
        far = (exponents * labelled).sum(-1) / labelled.sum(-1)
        boxes = box_xyxy[person][:, None]
        touching = ((points >= boxes[..., :2]) & (points <= boxes[..., 2:])).all(-1).any(-1)
        columns = (oks.neg(), far, person, result)
        order += zip(*(column[touching].tolist() for column in columns), strict=True)
    taken_persons, taken_results, pairs = set(), set(), []
    for _, _, p, r in sorted(order):  # a person or result is in one picture alone, so all may be gone through at once
        if p not in taken_persons and r not in taken_results:
            taken_persons.add(p)
            taken_results.add(r)
            pairs.append((p, r))
    return sorted(pairs)


def unit_confidence(third: Float[Tensor, "R K"], score: Float[Tensor, "R"]) -> Float[Tensor, "R K"]:
    """What a results file says of each keypoint, in [0, 1]; see `results_to_evaluation`."""
    within = bool(((third >= 0) & (third <= 1)).all())
    # Flags of 0 and 1 vary as well, but are no confidence.
    steps = third.flatten().sort().values.diff().count_nonzero()
    varying = bool((third != third[:, :1]).any()) and int(steps) > 1
    values = third if within and varying else score[:, None].expand_as(third)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return values
    low = min(low, 0.0)
    return (values - low) / (high - low) if math.isfinite(high - low) and high > low else torch.full_like(values, 0.5)
