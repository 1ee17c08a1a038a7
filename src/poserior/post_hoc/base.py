"""What every method of calibration after training is: a frozen model and held-out people in, a calibrated model out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor
from torch.utils.data import Dataset

from poserior.models import ModelSpec, Regressor, build_model
from poserior.structures import Sample


class Fit(Protocol):
    """``poserior calibrate --method NAME`` is one function of this form in this package."""

    def __call__(
        self,
        model: Regressor,
        spec: ModelSpec,
        people: Dataset[Sample],
        *,
        source: str,
        flip_test: bool = True,
        batch_size: int = 64,
        workers: int = 0,
        progress: bool = True,
    ) -> tuple[Regressor, ModelSpec]:
        """Fit on `people`, which the model was not trained on; the given model is left as it is.

        Args:
            model: trained; only looked at.
            spec: what it was built from.
            people: whole pictures of one person each, of the model's skeleton.
            source: what `people` are, in words: stored with the result.
            flip_test: calibrate the answers of the flip test, which prediction uses by default.
            batch_size: crops per pass.
            workers: processes that read and crop.
            progress: show a bar on stderr.

        Returns:
            The calibrated model, in eval mode on the same device, and its description.

        Raises:
            InputError: too few people to fit on (the message says how many are needed).
        """


def calibrated(
    model: Regressor,
    spec: ModelSpec,
    field: str,
    part: Mapping[str, Any],
    state: Mapping[str, Tensor],
    facts: Mapping[str, Any],
) -> tuple[Regressor, ModelSpec]:
    """A copy of the model in which one part of the calibration is new.

    Regions hold for the density they were fitted on: a new `recalibration` drops them.

    Args:
        model: the frozen model.
        spec: its description.
        field: ``calibrator``, ``recalibration`` or ``regions``.
        part: the new part's description: ``class_path`` and ``init_args``.
        state: its weights and buffers, by their names in it.
        facts: what it was fitted on, for `ModelSpec.fitted_on`.
    """
    fitted_on = {**spec.fitted_on, field: dict(facts)}
    changes: dict[str, Any] = {field: dict(part), "fitted_on": fitted_on}
    stale: tuple[str, ...] = (f"{field}.",)
    if field == "recalibration":
        stale += ("regions.",)
        changes["regions"] = None
        fitted_on.pop("regions", None)
    described = replace(spec, **changes)
    fresh = build_model(described)
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith(stale)}
    fresh.load_state_dict({**weights, **{f"{field}.{name}": value for name, value in state.items()}})
    # Straight to eval: the stored constants of a flow are those it was saved with.
    for module in fresh.modules():
        module.training = False
    return fresh.to(next(model.parameters()).device), described
