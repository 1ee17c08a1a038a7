"""Do the components divide people by what is seen of them?

Source: Varamesh & Tuytelaars, CVPR 2020, Table 5.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.analyses.component_records import FoundObjects, TrueObjects
from poserior.analyses.component_statistics import mutual_information, rates
from poserior.metrics import pearson
from poserior.skeletons import Skeleton

LABELS = (6, 10)
"""Least labelled keypoints of the people that are counted: more than 5, and 10 or more."""
SCORES = (0.5, 0.7)
"""Least scores of the predictions that stand beside them."""


@dataclass(frozen=True, eq=False)
class ViewSplit:
    """What is seen of the annotated people, and which component was taken; the two rows are of `LABELS` and `SCORES`.

    Attributes:
        people: ``(2,)`` annotated people with so many labels.
        occluded: ``(2,)`` share of their labelled keypoints that are occluded (1, not 2).
        face: ``(2,)`` share of them whose nose is labelled visible; not a number without a nose in the skeleton.
        predictions: ``(2,)`` of so high a score.
        rate: ``(2, M)`` components of these.
        front: ``(M,)`` share, of the annotated people at whose centre this component leads, that face the camera.
        phi: ``(M,)`` correlation of "this component leads" and "faces the camera", two facts of yes and no.
        face_phi: ``(M,)`` the same with "the nose is labelled visible".
        information: bits that the leading component tells of facing.
        entropy: bits of facing itself, the most there is to tell.
        known: how many people's facing is known.
    """

    people: Float[Tensor, "2"]
    occluded: Float[Tensor, "2"]
    face: Float[Tensor, "2"]
    predictions: Float[Tensor, "2"]
    rate: Float[Tensor, "2 M"]
    front: Float[Tensor, "M"]
    phi: Float[Tensor, "M"]
    face_phi: Float[Tensor, "M"]
    information: float
    entropy: float
    known: int


def view_split(found: FoundObjects, at_truth: FoundObjects, truth: TrueObjects, skeleton: Skeleton) -> ViewSplit:
    """Visibility of keypoints and face against component, and the component against the known viewpoint.

    Args:
        found: all predictions.
        at_truth: predictions matched with annotated people; those without a match are passed over.
        truth: the annotated people.
        skeleton: where the nose is.
    """
    modes = found.weights.shape[1]
    labelled, seen = truth.visibility > 0, truth.visibility == 2
    nose = skeleton.keypoints.index("nose") if "nose" in skeleton.keypoints else None
    face = torch.full((len(truth.scale),), torch.nan) if nose is None else seen[:, nose].float()
    counted = [labelled.sum(1) >= least for least in LABELS]
    trusted = [found.score >= least for least in SCORES]

    matched = at_truth.match >= 0
    chosen, which = at_truth.component[matched], at_truth.match[matched]
    facing, clear = truth.facing[which], labelled.sum(1)[which] >= LABELS[0]
    known = facing.isfinite() & (facing != 0)
    front, leads = facing[known] > 0, chosen[known]
    is_front = front.long()
    return ViewSplit(
        torch.stack([people.sum().float() for people in counted]),
        torch.stack([1 - seen[people].sum() / labelled[people].sum() for people in counted]),
        torch.stack([face[people].mean() for people in counted]),
        torch.stack([those.sum().float() for those in trusted]),
        torch.stack([rates(found.component[those], modes) for those in trusted]),
        torch.stack([front[leads == m].float().mean() for m in range(modes)]),
        torch.stack([pearson((leads == m).float(), front.float()) for m in range(modes)]),
        torch.stack([pearson((chosen[clear] == m).float(), face[which][clear]) for m in range(modes)]),
        mutual_information(leads, is_front),
        mutual_information(is_front, is_front),
        int(known.sum()),
    )
