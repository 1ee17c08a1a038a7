"""Suppression of duplicates: of people that are alike in all keypoints, the best-scored stays."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import expect_shape


def pairwise_oks(
    keypoints: Float[Tensor, "N K 2"], area: Float[Tensor, "N"], oks_sigmas: Float[Tensor, "K"] | Sequence[float]
) -> Float[Tensor, "N N"]:
    """Every person's similarity to every other: the mean over k of ``exp(-d_k^2 / (2 a (2 sigma_k)^2))``.

    All keypoints count, since predictions have no labels; ``a`` is the mean of the two areas, so that the matrix is
    symmetric.

    Args:
        keypoints: predicted points of one picture's people, in pixels.
        area: their areas in square pixels, above 0.
        oks_sigmas: COCO's constants, one per keypoint.

    Raises:
        ValueError: a shape does not fit.
    """
    if keypoints.ndim != 3:
        raise ValueError(f"expected keypoints of shape (people, keypoints, 2), found {tuple(keypoints.shape)}; reshape")
    expect_shape("area", area, keypoints.shape[:1], "people")
    sigmas = torch.as_tensor(oks_sigmas, dtype=keypoints.dtype, device=keypoints.device)
    expect_shape("oks_sigmas", sigmas, keypoints.shape[1:2], "keypoints")
    squared = (keypoints[:, None] - keypoints[None]).square().sum(-1)
    between = (area[:, None] + area[None]).to(keypoints.dtype) / 2
    similarity: Tensor = torch.exp(-squared / (2 * between[..., None] * (2 * sigmas).square())).mean(-1)
    return similarity


def oks_nms(
    keypoints: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N"],
    area: Float[Tensor, "N"],
    oks_sigmas: Float[Tensor, "K"] | Sequence[float],
    threshold: float = 0.9,
) -> list[int]:
    """Which of one picture's people stay: best score first, each if it is not too like one that stays already.

    Papandreou et al., "Towards accurate multi-person pose estimation in the wild", CVPR 2017.

    Args:
        keypoints: predicted points, in pixels.
        score: the people's; of equal scores the first person comes first.
        area: in square pixels, above 0.
        oks_sigmas: COCO's constants, one per keypoint.
        threshold: a person whose `pairwise_oks` with a better one is above goes.

    Returns:
        Indices, best first.

    >>> twice = torch.tensor([[[5.0, 5.0]], [[5.0, 5.1]], [[50.0, 5.0]]])
    >>> oks_nms(twice, torch.tensor([0.3, 0.8, 0.5]), torch.full((3,), 100.0), [0.1])
    [1, 2]
    """
    expect_shape("score", score, keypoints.shape[:1], "people")
    alike = pairwise_oks(keypoints, area, oks_sigmas) > threshold
    kept: list[int] = []
    for person in score.argsort(descending=True, stable=True).tolist():
        if not kept or not bool(alike[person, kept].any()):
            kept.append(person)
    return kept
