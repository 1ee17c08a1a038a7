"""Shares, and how much a choice among components tells of another fact."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rates(component: Int[Tensor, "N"], modes: int) -> Float[Tensor, "M"]:
    """How often each of the components was taken; not a number where nothing was.

    >>> rates(torch.tensor([0, 2, 0, 0]), 3).tolist()
    [0.75, 0.0, 0.25]
    """
    return torch.bincount(component, minlength=modes)[:modes].float() / len(component)


def counts(component: Int[Tensor, "N"], fact: Int[Tensor, "N"]) -> Float[Tensor, "A B"]:
    """The table of how often two things came together, without rows and columns that never came."""
    _, row = torch.unique(component, return_inverse=True)
    _, column = torch.unique(fact, return_inverse=True)
    if not len(component):
        return torch.zeros(0, 0, dtype=torch.float64)
    across = int(column.max()) + 1
    flat = torch.bincount(row * across + column, minlength=(int(row.max()) + 1) * across)
    return flat.view(-1, across).double()


def cramers_v(component: Int[Tensor, "N"], fact: Int[Tensor, "N"]) -> float:
    """Cramer's V of two namings: ``sqrt(chi^2 / (N (min(A, B) - 1)))``, 0 for none, 1 for a full dependence.

    Not a number where one of the two never changes.

    >>> cramers_v(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 7, 7]))
    1.0
    """
    table = counts(component, fact)
    least = min(table.shape) - 1
    if least < 1:
        return float("nan")
    total = table.sum()
    expected = table.sum(1, keepdim=True) * table.sum(0, keepdim=True) / total
    return float((((table - expected) ** 2 / expected).sum() / (total * least)).sqrt())


def mutual_information(component: Int[Tensor, "N"], fact: Int[Tensor, "N"]) -> float:
    """What the component tells of the fact, ``sum p(a, b) log2 (p(a, b) / (p(a) p(b)))``, in bits.

    >>> mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 7, 7]))
    1.0
    """
    table = counts(component, fact)
    if not table.numel():
        return float("nan")
    joint = table / table.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    there = joint > 0
    return float((joint[there] * (joint[there] / independent[there]).log2()).sum())
