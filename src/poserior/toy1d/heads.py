"""The heads that are compared, by the names tables use."""

from collections.abc import Callable
from functools import partial

from poserior.errors import InputError
from poserior.heads.energy_objectives import ObjectiveName, toy_objective
from poserior.toy1d.energy import Energy
from poserior.toy1d.even import evenly
from poserior.toy1d.flows import ConditionalFlow, SharedFlow
from poserior.toy1d.head import Head1d
from poserior.toy1d.parametric import Bins, Fixed, Gaussian, Laplace, Mixture, StudentT
from poserior.toy1d.problems import Problem

CHAINS = 8
"""At most so many Langevin chains for each point and step (ML-MCMC): each costs 17 evaluations of f."""


def _energy(name: ObjectiveName, problem: Problem, candidates: int) -> Head1d:
    samples = min(candidates, CHAINS) if name == "mcmc" else candidates
    objective = toy_objective(name, problem.number, samples=samples, shared=True)
    return Energy(evenly(objective), twice=name in ("dsm", "sm"))


HEADS: dict[str, Callable[[Problem, int], Head1d]] = {
    "L1": lambda *_: Fixed(squared=False),
    "L2": lambda *_: Fixed(squared=True),
    "Gaussian": lambda *_: Gaussian(),
    "Laplace": lambda *_: Laplace(),
    "StudentT": lambda *_: StudentT(),
    "DLE": lambda *_: SharedFlow(residual=False),
    "RLE": lambda *_: SharedFlow(residual=True),
    "Mixture": lambda *_: Mixture(),
    "Bins": lambda *_: Bins(),
    "Flow": lambda *_: ConditionalFlow(),
    "Energy[ml-is]": partial(_energy, "ml-is"),
    "Energy[nce]": partial(_energy, "nce"),
    "Energy[nce+]": partial(_energy, "nce+"),
    "Energy[kld-is]": partial(_energy, "kld-is"),
    "Energy[dsm]": partial(_energy, "dsm"),
    "Energy[sm]": partial(_energy, "sm"),
    "Energy[mcmc]": partial(_energy, "mcmc"),
}


def build(name: str, problem: Problem, candidates: int) -> Head1d:
    """The head of a table's name, with the published settings for the problem.

    Args:
        name: a key of `HEADS`.
        problem: what it will be trained on.
        candidates: M, for the energy heads.

    Raises:
        InputError: there is no such head.
    """
    check(name)
    return HEADS[name](problem, candidates)


def check(name: str) -> None:
    """Refuse a name that no head has."""
    if name not in HEADS:
        raise InputError(f"expected heads among {', '.join(HEADS)}, found {name!r}; correct the list of heads")
