"""CCNet on other people's networks: what an adapter hands over, the fit on it, and COCO results with new scores."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import box_iou

from poserior.calibration import CCNet, instance_confidence
from poserior.calibration.ccnet import Loss
from poserior.errors import InputError
from poserior.metrics import keypoint_oks
from poserior.post_hoc.net import Course, NetSettings, train_net
from poserior.structures import Sample


@dataclass(frozen=True, eq=False)
class ExternalPeople:
    """N people as another network answers them, on the CPU.

    Attributes:
        keypoints: ``(N, K, 2)`` in pixels of the picture, in this library's convention (pixel j's centre is j + 0.5).
        features: ``(N, C)`` its penultimate features, averaged over the picture.
        scores: ``(N, K)`` its own scores of the keypoints, whatever they mean.
        box_xyxy: ``(N, 4)`` whom it looked at.
        box_score: ``(N,)`` a detector's, 1 for given boxes.
        image_id: N picture ids.
    """

    keypoints: Float[Tensor, "N K 2"]
    features: Float[Tensor, "N C"]
    scores: Float[Tensor, "N K"]
    box_xyxy: Float[Tensor, "N 4"]
    box_score: Float[Tensor, "N"]
    image_id: tuple[int | str, ...]

    def __len__(self) -> int:
        return len(self.keypoints)

    def take(self, index: Int[Tensor, "M"]) -> "ExternalPeople":
        """Some of the people, in the order of `index`."""
        names = tuple(self.image_id[place] for place in index.tolist())
        columns = {part.name: getattr(self, part.name)[index] for part in fields(self) if part.name != "image_id"}
        return replace(self, **columns, image_id=names)


def join(parts: Sequence[ExternalPeople]) -> ExternalPeople:
    """The people of several batches as one record."""
    columns = {
        part.name: torch.cat([getattr(batch, part.name) for batch in parts])
        for part in fields(ExternalPeople)
        if part.name != "image_id"
    }
    return ExternalPeople(**columns, image_id=tuple(name for batch in parts for name in batch.image_id))


@dataclass(frozen=True, eq=False)
class Labels:
    """The truth about N people: columns of `structures.Evaluation`; a person nobody labelled has visibility 0."""

    target: Float[Tensor, "N K 2"]
    target_visibility: Int[Tensor, "N K"]
    area: Float[Tensor, "N"]


def match_labels(people: ExternalPeople, annotated: Sequence[Sample], least_iou: float = 0.5) -> Labels:
    """Whose labels belong to whom: in each picture, boxes of the greatest overlap first, each used once.

    Args:
        people: found by a detector, or looked for in the annotated boxes.
        annotated: the labels, one `Sample` per person.
        least_iou: people that overlap nobody so much have no labels.

    Raises:
        InputError: the labels have another number of keypoints.
    """
    count = people.keypoints.shape[1]
    target = torch.zeros(len(people), count, 2)
    visibility = torch.zeros(len(people), count, dtype=torch.int64)
    area = torch.ones(len(people))
    for name in dict.fromkeys(people.image_id):
        found = torch.tensor([n for n, mine in enumerate(people.image_id) if mine == name])
        truths = [person for person in annotated if person.image_id == name]
        if not truths:
            continue
        overlap = box_iou(people.box_xyxy[found].float(), torch.stack([truth.box_xyxy for truth in truths]).float())
        while overlap.numel() and float(overlap.max()) >= least_iou:
            row, column = divmod(int(overlap.argmax()), len(truths))
            truth = truths[column]
            if len(truth.keypoints) != count:
                raise InputError(
                    f"expected labels of {count} keypoints, as the network's, found {len(truth.keypoints)} for person"
                    f" {truth.annotation_id}; choose the annotations or the network to fit"
                )
            place = found[row]
            target[place], visibility[place], area[place] = truth.keypoints, truth.visibility, truth.area
            overlap[row, :] = overlap[:, column] = -1
    return Labels(target, visibility, area)


def fit_external(
    people: ExternalPeople,
    labels: Labels,
    oks_sigmas: Sequence[float],
    hidden: int = 0,
    loss: Loss = "mse",
    settings: NetSettings | None = None,
) -> tuple[CCNet, Course]:
    """A `CCNet` of another network, fitted on its answers to labelled people it was not trained on.

    People without labels (false alarms among them) are left out, as the paper leaves them out by giving annotated
    boxes: telling people from background is the detector's score's part.

    Args:
        people: its answers, e.g. from `poserior.post_hoc.adapters`.
        labels: the truth about them, e.g. from `match_labels`.
        oks_sigmas: COCO's constants of the keypoints.
        hidden: see `CCNet`.
        loss: see `CCNet`.
        settings: how to train; by default the paper's way.

    Raises:
        InputError: too few people with labels, an area that is not positive, or features that are no numbers.
    """
    if not bool(people.features.isfinite().all() and people.keypoints.isfinite().all()):
        raise InputError("expected finite features and keypoints, found some that are no number; check the network")
    if not bool((labels.area > 0).all()):
        raise InputError(f"expected positive areas, found {float(labels.area.min())}; correct the annotations")
    oks = keypoint_oks(people.keypoints, labels.target, labels.area, oks_sigmas, labels.target_visibility)
    with torch.random.fork_rng(devices=[]):
        net = CCNet(people.features.shape[1], people.keypoints.shape[1], hidden=hidden, loss=loss)
    course = train_net(net, people.features, oks, labels.target_visibility, people.image_id, settings or NetSettings())
    return net.eval(), course


@torch.no_grad()
def judge_external(net: CCNet, people: ExternalPeople) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N K"]]:
    """Confidence and visibility, each in [0, 1], of another network's people."""
    return net.verdict(net.raw(people.features))


def rescored(net: CCNet, people: ExternalPeople, category_id: int = 1) -> list[dict[str, Any]]:
    """The network's people as a COCO results list with the net's scores; the coordinates are the network's own.

    A person's score is the visibility-weighted mean confidence times the box's score. COCO's keypoints are pixel
    indices: half a pixel less than here.
    """
    confidence, visibility = judge_external(net, people)
    return _to_coco(people, confidence, visibility, category_id)


def cross_fitted(
    people: ExternalPeople,
    labels: Labels,
    oks_sigmas: Sequence[float],
    folds: int = 5,
    hidden: int = 0,
    loss: Loss = "mse",
    settings: NetSettings | None = None,
    category_id: int = 1,
) -> list[dict[str, Any]]:
    """`rescored` where no person is judged by a net that saw the person's picture: one net per fold of the pictures.

    For a network whose only labelled people are those to be scored.

    Args:
        people: see `fit_external`.
        labels: see `fit_external`.
        oks_sigmas: see `fit_external`.
        folds: into how many parts the pictures are dealt.
        hidden: see `CCNet`.
        loss: see `CCNet`.
        settings: how to train; by default the paper's way.
        category_id: what the results say.

    Raises:
        InputError: fewer than 2 folds or pictures than folds; what `fit_external` refuses.
    """
    pictures = list(dict.fromkeys(people.image_id))
    if not 2 <= folds <= len(pictures):
        raise InputError(
            f"expected between 2 folds and one per picture ({len(pictures)} pictures), found {folds}; correct folds"
        )
    generator = torch.Generator().manual_seed((settings or NetSettings()).seed)
    order = torch.randperm(len(pictures), generator=generator).tolist()
    fold_of = {pictures[place]: number % folds for number, place in enumerate(order)}
    fold = torch.tensor([fold_of[name] for name in people.image_id])
    confidence, visibility = torch.zeros(people.scores.shape), torch.zeros(people.scores.shape)
    for number in range(folds):
        theirs, others = (fold == number).nonzero()[:, 0], (fold != number).nonzero()[:, 0]
        seen = Labels(labels.target[others], labels.target_visibility[others], labels.area[others])
        net, _ = fit_external(people.take(others), seen, oks_sigmas, hidden, loss, settings)
        confidence[theirs], visibility[theirs] = judge_external(net, people.take(theirs))
    return _to_coco(people, confidence, visibility, category_id)


def _to_coco(people: ExternalPeople, confidence: Tensor, visibility: Tensor, category_id: int) -> list[dict[str, Any]]:
    score = instance_confidence(confidence, visibility) * people.box_score
    triples = torch.cat([people.keypoints.double() - 0.5, confidence[..., None].double()], -1).flatten(1)
    sizes = torch.cat([people.box_xyxy[:, :2], people.box_xyxy[:, 2:] - people.box_xyxy[:, :2]], 1).double()
    return [
        {
            "image_id": name,
            "category_id": category_id,
            "keypoints": triples[n].tolist(),
            "score": float(score[n]),
            "bbox": sizes[n].tolist(),
            "visibility": visibility[n].tolist(),
            "confidence": confidence[n].tolist(),
        }
        for n, name in enumerate(people.image_id)
    ]
