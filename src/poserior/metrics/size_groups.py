"""Small, medium and large people: three groups of equal numbers, whatever the data's sizes are."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.metrics.base import expect_shape

NAMES = ("small", "medium", "large")


def size_groups(
    area: Float[Tensor, "N"], counts: Bool[Tensor, "N"] | None = None
) -> dict[str, tuple[Bool[Tensor, "N"], float, float]]:
    """The people by terciles of their size ``sqrt(area)``, so that every group has about as many.

    COCO's fixed bounds leave groups empty in most data sets; these follow the data, and are told.

    Args:
        area: in square pixels.
        counts: who counts; all if None.

    Returns:
        Name to (who is in it, the smallest and the largest size in it, in pixels); without groups that nobody is in,
        and empty if all are of one size.

    >>> groups = size_groups(torch.tensor([1.0, 4.0, 9.0, 16.0, 25.0, 36.0]))
    >>> {name: (low, high) for name, (_, low, high) in groups.items()}
    {'small': (1.0, 2.0), 'medium': (3.0, 4.0), 'large': (5.0, 6.0)}
    """
    counted = torch.ones_like(area, dtype=torch.bool) if counts is None else counts
    expect_shape("counts", counted, area.shape, "people")
    side = area.double().sqrt()
    known = side[counted]
    if not known.numel():
        return {}
    group = torch.bucketize(side, known.quantile(torch.tensor([1 / 3, 2 / 3], dtype=known.dtype, device=known.device)))
    found = {}
    for number, name in enumerate(NAMES):
        members = counted & (group == number)
        if bool(members.any()):
            found[name] = (members, float(side[members].min()), float(side[members].max()))
    return found if len(found) > 1 else {}
