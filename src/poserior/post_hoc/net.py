"""The training of a CCNet on what was seen: small, in memory, with random numbers of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.calibration import CCNet
from poserior.errors import InputError

MIN_PEOPLE = 50
"""Fewer people with a labelled keypoint are refused."""


@dataclass(frozen=True)
class NetSettings:
    """How a net is trained.

    Attributes:
        epochs: passes over the people; the paper's are 2.
        lr: Adam's step, a tenth of it in the last third.
        batch: people per step.
        min_steps: at least so many steps, whatever `epochs` says: two passes over a few hundred people in batches of
            64 would be a handful, in which nothing is learned. The passes are cheap, for the features are kept.
        held_back: share of the pictures that is not learned from but decides after which pass to stop: a small set
            with long features is learned by heart soon.
        seed: of the order of the people, the pictures held back and a hidden layer's first weights.

    Raises:
        InputError: a number is outside its range.
    """

    epochs: int = 2
    lr: float = 3e-4
    batch: int = 64
    min_steps: int = 300
    held_back: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.min_steps < 0:
            found = f"{self.epochs}, {self.batch} and {self.min_steps}"
            raise InputError(f"expected epochs and batch >= 1 and min_steps >= 0, found {found}; correct them")
        if not (math.isfinite(self.lr) and self.lr > 0 and 0 <= self.held_back < 1):
            raise InputError(
                f"expected lr > 0 and held_back in [0, 1), found {self.lr} and {self.held_back}; correct them"
            )


@dataclass(frozen=True)
class Course:
    """What a training was: people with a labelled keypoint, passes made, the pass that was kept, and losses held back.

    The losses are those of the pictures held back (of all, where none are): at the start, which is the best constants,
    and at the pass kept.
    """

    people: int
    passes: int
    kept: int
    loss_before: float
    loss_after: float


def train_net(
    net: CCNet,
    inputs: Float[Tensor, "N I"],
    oks: Float[Tensor, "N K"],
    visibility: Int[Tensor, "N K"] | Bool[Tensor, "N K"],
    image_id: Sequence[int | str],
    settings: NetSettings,
) -> Course:
    """Fit a net in place, on the CPU: Adam with step decay from the best constants on, see `CCNet.start`.

    Nobody's score is worse than those constants on the pictures held back: they are what is kept if no pass beats them.

    Args:
        net: a fresh one.
        inputs: what it is shown of N people.
        oks: realised OKS of the frozen network's answers; anything where not labelled.
        visibility: COCO's 0/1/2; people without a labelled keypoint are left out.
        image_id: whose pictures; a picture is held back as a whole.
        settings: see there.

    Raises:
        InputError: too few people.
    """
    labelled = visibility > 0
    counted = labelled.any(1)
    total = int(counted.sum())
    if total < MIN_PEOPLE:
        raise InputError(
            f"expected at least {MIN_PEOPLE} people with labelled keypoints to fit a CCNet, found {total}; give more"
        )
    generator = torch.Generator().manual_seed(settings.seed)
    inputs, oks, labelled = inputs[counted], oks[counted], labelled[counted]
    ids = [name for name, keep in zip(image_id, counted.tolist(), strict=True) if keep]
    aside = _held_back(ids, settings.held_back, generator)
    learn = (~aside).nonzero()[:, 0]
    judged = aside.nonzero()[:, 0] if bool(aside.any()) else learn
    net.start(inputs[learn], oks[learn], labelled[learn], generator)
    steps_each = -(-len(learn) // settings.batch)
    passes = max(settings.epochs, -(-settings.min_steps // steps_each))
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.lr)
    decay = torch.optim.lr_scheduler.StepLR(optimiser, max(1, -(-2 * passes * steps_each // 3)), 0.1)
    best = before = _loss(net, inputs[judged], oks[judged], labelled[judged])
    kept, state = 0, _copy(net)
    for number in range(1, passes + 1):
        order = learn[torch.randperm(len(learn), generator=generator)]
        for part in torch.split(order, settings.batch):
            optimiser.zero_grad()
            net.objective(net.raw(inputs[part]), oks[part], labelled[part]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            decay.step()
        loss = _loss(net, inputs[judged], oks[judged], labelled[judged])
        if loss < best:
            best, kept, state = loss, number, _copy(net)
    net.load_state_dict(state)
    return Course(total, passes, kept, before, best)


def _held_back(ids: Sequence[int | str], share: float, generator: torch.Generator) -> Bool[Tensor, "N"]:
    """Which people are held back: all of a picture or none, about `share` of the pictures."""
    pictures = list(dict.fromkeys(ids))
    count = min(round(share * len(pictures)), len(pictures) - 1)
    chosen = {pictures[place] for place in torch.randperm(len(pictures), generator=generator)[:count].tolist()}
    return torch.tensor([name in chosen for name in ids])


@torch.no_grad()
def _loss(net: CCNet, inputs: Tensor, oks: Tensor, labelled: Tensor) -> float:
    return float(net.objective(net.raw(inputs), oks, labelled))


def _copy(net: CCNet) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
