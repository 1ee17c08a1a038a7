"""How well the regression knows where keypoints are, whoever is found: measured at everybody's best anchor."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.dense.point_set.matching import anchor_oks, picture_area
from poserior.dense.point_set.model import PointSetModel
from poserior.scenes import SceneBatch


@torch.no_grad()
def anchors_nll(model: PointSetModel, images: Float[Tensor, "B 3 H W"], batch: SceneBatch) -> float:
    """Negative log density of the labels at the anchor that resembles each person most.

    In nats per labelled keypoint, in units of that anchor's size; not a number without labels. The anchors do not
    depend on what was learnt, so models with the same anchors are compared on the same people.

    Args:
        model: in eval mode.
        images: RGB in [0, 1], those of `batch`.
        batch: the labels.
    """
    maps = model(images)[-1]
    labelled = (batch.visibility > 0) & batch.present[..., None]
    area = picture_area(batch)
    similarity = anchor_oks(maps.grid, batch.keypoints, labelled, area, model.widening * model.oks_sigmas)
    stage = model.at(maps, similarity.argmax(-1))[-1]
    log_prob = stage.offset.log_prob(torch.where(labelled[..., None], stage.target(batch.keypoints), 0.0))
    return float(-log_prob[labelled].mean())
