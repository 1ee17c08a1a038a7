"""A mixture of which one component answers alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Bool, Float
from torch import Tensor

from poserior.dense.heads import DenseHead
from poserior.dense.heads.mixture import whole_poses
from poserior.dense.model import DenseModel
from poserior.distributions import Distribution, PoseMarginals


class OneComponent(DenseHead):
    """Another head's density reduced to one of its components, which has all the weight.

    Args:
        head: of mixtures of whole poses or boxes.
        component: which, from 0.
    """

    def __init__(self, head: DenseHead, component: int) -> None:
        super().__init__(head.in_channels, head.factors.tolist())
        if not 0 <= component < head.components:
            raise ValueError(f"expected a component from 0 to {head.components - 1}, found {component}")
        self.head, self.component = head, component

    @property
    def components(self) -> int:
        return 1

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B P h w"]:
        raw: Tensor = self.head(features)
        return raw

    def density(self, raw: Float[Tensor, "*L P"]) -> PoseMarginals:
        return whole_poses(self.head.density(raw)).only(self.component).marginals()

    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L"]:
        return self.head.loss(distribution, target, labelled)

    def weights(self, distribution: Distribution) -> Float[Tensor, "*L M"]:
        return whole_poses(distribution).weights

    def modes(self, distribution: Distribution) -> Float[Tensor, "*L M K 2"]:
        return whole_poses(distribution).loc


@contextmanager
def answered_by(model: DenseModel, component: int) -> Iterator[None]:
    """Inside, one component of the model's mixture makes all predictions."""
    head, last = model.head, model.stacks[-1]
    last.head = OneComponent(head, component).train(head.training)
    try:
        yield
    finally:
        last.head = head
