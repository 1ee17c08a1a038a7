"""A body fitted to the keypoints one or several cameras see."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.body.base import Body, turn
from poserior.body.cameras import information, project
from poserior.body.lbfgs import minimise
from poserior.body.robust import Loss, geman_mcclure, huber
from poserior.errors import InputError

_LEAST = 6  # as many as orientation and place have numbers
_STEPS = 20  # of L-BFGS in a round
_DIFFERENCE = 1e-5
_DEFAULT_LOSS = geman_mcclure()


class BodyFit(NamedTuple):
    """Fitted bodies.

    Attributes:
        shape: ``(B, S)``, see `Body`.
        pose: ``(B, P)``.
        orientation: ``(B, 3, 3)``, the body's frame to the world's.
        translation: ``(B, 3)``.
        joints: ``(B, J, 3)`` in the world.
        energy: ``(B,)`` nats: the negative log posterior up to a constant.
    """

    shape: Float[Tensor, "B S"]
    pose: Float[Tensor, "B P"]
    orientation: Float[Tensor, "B 3 3"]
    translation: Float[Tensor, "B 3"]
    joints: Float[Tensor, "B J 3"]
    energy: Float[Tensor, "B"]


def fit_body(
    body: Body,
    keypoints: Float[Tensor, "B V K 2"],
    cameras: Float[Tensor, "V 3 4"] | Float[Tensor, "B V 3 4"],
    weights: Float[Tensor, "B V K"] | None = None,
    covariance: Float[Tensor, "B V K 2 2"] | None = None,
    robust: Loss = _DEFAULT_LOSS,
    prior_weight: float | int = 1.0,
    starts: int = 8,
    rounds: int = 3,
) -> BodyFit:
    """The most probable body, ``argmin 1/2 sum_vk rho(e_vk^T C_vk^-1 e_vk) + prior_weight prior(shape, pose)``.

    After SMPLify (Bogo et al., "Keep it SMPL", 2016), with covariances for its confidences: the average body is turned
    and placed first (from several sides at once), then everything moves, with ever less tolerance, by L-BFGS. With a
    calibrated covariance this is the posterior's maximum, and the priors need no weight found by trial; with other
    weights `prior_weight` stands for the missing unit.

    Args:
        body: whose joints are the K keypoints.
        keypoints: of B people in V views, pixels; not a number where unseen.
        cameras: world to homogeneous pixels, of all people or of each; one view is enough: `guessed_camera`.
        weights: confidences as ``1 / pixel^2``; see `information`.
        covariance: of every keypoint in square pixels, instead of weights.
        robust: the loss of squared distances in standard deviations.
        prior_weight: how much the priors count.
        starts: from how many sides the body is looked at to begin with.
        rounds: of twenty steps each in the last stage.

    Raises:
        InputError: shapes that do not fit, or a person of whom fewer than 6 keypoints are seen in all.
    """
    if keypoints.shape[2] != len(body.keypoints) or cameras.shape[-3] != keypoints.shape[1]:
        raise InputError(
            f"expected keypoints of shape (people, {cameras.shape[-3]} views, {len(body.keypoints)} keypoints of the"
            f" {body.name} body, 2), found {tuple(keypoints.shape)}; select and order them as body.keypoints"
        )
    precision = information(keypoints, weights, covariance)
    seen = (precision != 0).any(-1).any(-1)
    least = seen.flatten(1).sum(1)
    if bool((least < _LEAST).any()):
        raise InputError(
            f"expected at least {_LEAST} seen keypoints per person, found {int(least.min())}; leave that person out"
        )
    pixels = torch.where(seen[..., None], keypoints.double(), torch.zeros((), dtype=torch.float64))
    matrices = cameras.double().expand(len(keypoints), -1, 3, 4)
    problem = _Problem(body, pixels, matrices, precision, seen, float(prior_weight))

    # From all sides: turned and placed first, then everything, but softly.
    sides = _orientations(matrices[:, 0], starts)
    wide = problem.repeat(starts)
    state = _State(wide, sides.flatten(0, 1))
    state.descend(wide.softened(0.1), huber(1.5), rounds=1, rigid=True)
    cost = state.descend(wide.softened(0.05), robust, rounds=1)
    # The better half as they are seen, and of these the best.
    kept = (starts + 1) // 2
    state = state.select(_cheapest(cost, starts, kept))
    medium = problem.repeat(kept)
    state.descend(medium.softened(0.02), robust, rounds=1)
    cost = state.descend(medium, robust, rounds=1)
    state = state.select(_cheapest(cost, kept, 1))
    cost = state.descend(problem, robust, rounds=rounds)
    parts = state.shape, state.pose, state.orientation, state.translation
    with torch.no_grad():
        joints = body.joints(*parts)
    return BodyFit(*(part.to(keypoints.dtype) for part in (*parts, joints, cost)))


class _Problem(NamedTuple):
    """What was seen of B people."""

    body: Body
    pixels: Tensor
    cameras: Tensor
    precision: Tensor
    seen: Tensor
    prior_weight: float

    def repeat(self, times: int) -> "_Problem":
        """Every person several times in a row."""
        pixels, cameras, precision, seen = (
            part.repeat_interleave(times, 0) for part in (self.pixels, self.cameras, self.precision, self.seen)
        )
        return _Problem(self.body, pixels, cameras, precision, seen, self.prior_weight)

    def softened(self, share: float) -> "_Problem":
        """Every keypoint's standard deviation is that share of the person's extent in pixels more."""
        unseen = ~self.seen[..., None]
        high = self.pixels.masked_fill(unseen, -torch.inf).amax(2)
        low = self.pixels.masked_fill(unseen, torch.inf).amin(2)
        extent = (high - low).clamp_min(0).norm(dim=-1)  # (B, V)
        extra = (share * extent).square()[..., None, None, None]
        eye = torch.eye(2).to(self.precision)
        # (C + s I)^-1 = P (I + s P)^-1, which leaves what is missing at zero
        return self._replace(precision=self.precision @ torch.linalg.inv(eye + extra * self.precision))

    def energy(self, joints: Float[Tensor, "B J 3"], robust: Loss) -> Float[Tensor, "B"]:
        """The data's part; not a number behind a camera."""
        error = torch.where(self.seen[..., None], project(joints, self.cameras) - self.pixels, 0)
        distance = (error[..., None, :] @ self.precision @ error[..., None]).squeeze(-1).squeeze(-1)
        return 0.5 * robust(distance)[0].sum((1, 2))


class _State:
    """Where the fit of each person stands."""

    def __init__(self, problem: _Problem, orientation: Float[Tensor, "B 3 3"]) -> None:
        people = len(problem.pixels)
        self.shape = torch.zeros(people, problem.body.num_shape, dtype=torch.float64)
        self.pose = torch.zeros(people, problem.body.num_pose, dtype=torch.float64)
        self.orientation = orientation
        with torch.no_grad():
            joints = problem.body.joints(self.shape, self.pose, orientation, torch.zeros(people, 3).double())
        self.translation = _place(problem, joints)

    def select(self, index: Tensor) -> "_State":
        """Some of the people."""
        chosen = object.__new__(_State)
        chosen.shape, chosen.pose = self.shape[index], self.pose[index]
        chosen.orientation, chosen.translation = self.orientation[index], self.translation[index]
        return chosen

    def descend(self, problem: _Problem, robust: Loss, rounds: int, rigid: bool = False) -> Tensor:
        """Move downhill; the turn is counted from the orientation so far, which keeps it far from half a turn.

        Every round counts in the axes in which the Gauss-Newton Hessian at its start is the unit matrix: depth and
        the pose's free combinations are worth as much as what a pixel fixes.
        """
        cost = torch.full((len(self.shape),), torch.inf, dtype=torch.float64)
        for _ in range(rounds):
            still = torch.zeros(len(self.shape), 6, dtype=torch.float64)
            start = still if rigid else torch.cat([still, self.shape, self.pose], 1)
            axes = self._axes(problem, robust, start)
            at = self._unpacked(start, axes)

            def energy(y: Tensor, at: Callable[[Tensor], tuple[Tensor, ...]] = at) -> Tensor:
                shape, pose, orientation, translation = at(y)
                data = problem.energy(problem.body.joints(shape, pose, orientation, translation), robust)
                return data + problem.prior_weight * problem.body.prior(shape, pose)

            y, cost = minimise(energy, torch.zeros_like(start), _STEPS)
            self.shape, self.pose, self.orientation, self.translation = (part.detach() for part in at(y))
        return cost

    def _unpacked(self, start: Tensor, axes: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """From the optimiser's numbers to shape, pose, orientation and translation."""
        shape, pose, orientation, translation = self.shape, self.pose, self.orientation, self.translation

        def at(y: Tensor) -> tuple[Tensor, ...]:
            x = start + (axes @ y[..., None]).squeeze(-1)
            turned, moved = turn(x[:, :3]) @ orientation, translation + x[:, 3:6]
            if x.shape[1] == 6:
                return shape, pose, turned, moved
            return x[:, 6 : 6 + shape.shape[1]], x[:, 6 + shape.shape[1] :], turned, moved

        return at

    @torch.no_grad()
    def _axes(self, problem: _Problem, robust: Loss, start: Tensor) -> Float[Tensor, "B D D"]:
        """``L^-T`` of the Hessian ``L L^T``, its Jacobian from differences: it only has to be about right."""
        people, size = start.shape
        eye = torch.eye(size, dtype=torch.float64)
        at = self._unpacked(start, eye.expand(people, -1, -1))
        here = project(problem.body.joints(*at(torch.zeros_like(start))), problem.cameras)
        columns = [
            (project(problem.body.joints(*at((_DIFFERENCE * unit).expand(people, -1))), problem.cameras) - here)
            for unit in eye
        ]
        jacobian = torch.stack(columns, -1).nan_to_num(0.0) / _DIFFERENCE  # (B, V, K, 2, D)
        error = torch.where(problem.seen[..., None], here - problem.pixels, 0).nan_to_num(0.0)
        distance = (error[..., None, :] @ problem.precision @ error[..., None]).squeeze(-1).squeeze(-1)
        weight = robust(distance)[1][..., None, None] * problem.precision
        hessian = (jacobian.mT @ weight @ jacobian).sum((1, 2))
        own = torch.cat([torch.full((6,), 1e-3), torch.full((size - 6,), max(problem.prior_weight, 1e-3))]).double()
        factor = torch.linalg.cholesky(hessian + torch.diag(own))
        axes: Tensor = torch.linalg.solve_triangular(factor, eye.expand(people, -1, -1), upper=False).mT
        return axes


def _cheapest(cost: Float[Tensor, "R"], group: int, count: int) -> Int[Tensor, "C"]:
    """The rows of the least costs of every `group` rows."""
    best = cost.reshape(-1, group).topk(count, 1, largest=False).indices
    rows: Tensor = (best + group * torch.arange(len(best))[:, None]).flatten()
    return rows


def _orientations(camera: Float[Tensor, "B 3 4"], count: int) -> Float[Tensor, "B N 3 3"]:
    """Upright in the camera's picture, facing it and turned on."""
    away = torch.nn.functional.normalize(camera[:, 2, :3], dim=-1)

    def across(row: Tensor) -> Tensor:
        return torch.nn.functional.normalize(row - (row * away).sum(-1, keepdim=True) * away, dim=-1)

    right, down = across(camera[:, 0, :3]), across(camera[:, 1, :3])
    facing = torch.stack([right, -down, -away], -1)
    angles = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return facing[:, None] @ turn(torch.stack([0 * angles, angles, 0 * angles], -1))


def _place(problem: _Problem, joints: Float[Tensor, "B J 3"]) -> Float[Tensor, "B 3"]:
    """Where joints have to be moved to be seen as they are: a linear problem, as a point's triangulation."""
    rows = problem.pixels[..., None] * problem.cameras[:, :, None, 2:] - problem.cameras[:, :, None, :2]
    value = (rows[..., :3] @ joints[:, None, :, :, None]).squeeze(-1) + rows[..., 3]
    weighted = rows[..., :3].mT @ problem.precision
    normal = (weighted @ rows[..., :3]).sum((1, 2))
    answer: Tensor = -torch.linalg.solve(normal, (weighted @ value[..., None]).sum((1, 2))).squeeze(-1)
    return answer
