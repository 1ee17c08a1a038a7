"""What a component is called on the page."""

from jaxtyping import Float
from torch import Tensor

from poserior.analyses import Components

APART = 0.2
"""How much more often left than right offsets must point to positive x for a component to be called a front view."""


def component_names(result: Components) -> list[str]:
    """By the head's own order: a box's components numbered by scale, a pose's as they are, with the view they show."""
    if result.skeleton is None:
        rank = result.scale.order.argsort().tolist() if result.scale is not None else [0]
        return [str(place + 1) for place in rank]
    spread = result.spread
    views = ["" if spread is None else view_of(spread.left[m], spread.right[m]) for m in range(result.components)]
    return [f"{m + 1}{f' ({view})' if view else ''}" for m, view in enumerate(views)]


def component_order(result: Components) -> list[int]:
    """The order in which components are listed, as the head's numbers."""
    if result.skeleton is None and result.scale is not None:
        return [int(m) for m in result.scale.order.tolist()]
    return list(range(result.components))


def view_of(left: Float[Tensor, "2"], right: Float[Tensor, "2"]) -> str:
    """Front or back, or nothing where it is neither, by the shares of left and right offsets towards positive x.

    >>> import torch
    >>> view_of(torch.tensor([0.85, 0.5]), torch.tensor([0.25, 0.5]))
    'front'
    """
    gap = float(left[0] - right[0])
    return "front" if gap > APART else "back" if gap < -APART else ""
