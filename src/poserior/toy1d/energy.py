"""Energy: f(x, y) is a net, ``p(y | x) = exp f(x, y) / Z(x)``; trained by one of the objectives of `heads.Energy`."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Generator, Tensor

from poserior.heads.energy_objectives import Objective
from poserior.toy1d.head import Head1d
from poserior.toy1d.joint import Joint, joint_plain
from poserior.toy1d.nets import HIDDEN, dense, features_of_x, linear, parts_of_x


class Energy(Head1d):
    """The published net: x through two ReLU layers, y through a tanh layer, both through a tanh layer, two residual
    tanh layers and a linear one; all layers of size 10.

    Args:
        objective: what the net is trained on.
        twice: the objective needs second derivatives of f.
    """

    def __init__(self, objective: Objective, twice: bool = False) -> None:
        self.objective = objective
        self.joint = joint_plain if twice else Joint.apply
        joint = [*linear(2 * HIDDEN, HIDDEN), *linear(HIDDEN, HIDDEN), *linear(HIDDEN, HIDDEN), *linear(HIDDEN, 1)]
        self.parts = [*parts_of_x(), *linear(1, HIDDEN), *joint]

    def loss(
        self, parameters: Sequence[Tensor], x: Float[Tensor, "N B"], y: Float[Tensor, "N B"], generator: Generator
    ) -> Float[Tensor, "N B"]:
        from_x, layers = self._split(parameters, x)

        def score(candidates: Float[Tensor, "M N B 1"]) -> Float[Tensor, "M N B"]:
            by_net = candidates[..., 0].movedim(1, 0)
            values: Tensor = self.joint(by_net.flatten(1), from_x, *layers)
            return values.reshape(by_net.shape).movedim(0, 1)

        return self.objective(score, y[..., None], generator)

    def log_density(
        self, parameters: Sequence[Tensor], x: Float[Tensor, "X"], y: Float[Tensor, "Y"]
    ) -> Float[Tensor, "N X Y"]:
        nets = len(parameters[0])
        from_x, layers = self._split(parameters, x.expand(nets, -1))
        candidates = y.repeat_interleave(len(x)).expand(nets, -1)
        values: Tensor = self.joint(candidates, from_x, *layers)
        return values.reshape(nets, len(y), len(x)).mT

    def _split(self, parameters: Sequence[Tensor], x: Float[Tensor, "N P"]) -> tuple[Tensor, list[Tensor]]:
        """What x adds to the first joint layer (the same for all candidates), and the layers that see candidates."""
        weight, bias = parameters[6:8]
        from_x = dense(weight[..., :HIDDEN], bias, features_of_x(parameters, x))
        return from_x, [*parameters[4:6], weight[..., HIDDEN:], *parameters[8:14]]
