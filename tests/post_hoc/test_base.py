"""A calibrated copy: the new part is in it, the old model stays as it is, and it survives the disk."""

import torch

from poserior import skeletons
from poserior.models import ModelSpec, build_model, load_model, save_model
from poserior.post_hoc import calibrated


def test_a_calibrated_copy_differs_in_its_part_alone_and_survives_the_disk(tmp_path):
    torch.manual_seed(0)
    spec = ModelSpec(
        {"name": "resnet18", "channels": [4, 4, 8, 8]}, {"class_path": "Laplace"}, skeletons.load("coco17"), (64, 48)
    )
    model = build_model(spec).eval()
    state = {name: torch.full_like(value, 0.25) for name, value in model.calibrator.state_dict().items()}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    facts = {"people": 40, "source": "held-out"}
    fresh, described = calibrated(model, spec, "calibrator", spec.calibrator, state, facts)
    assert described.fitted_on == {"calibrator": facts}
    assert not fresh.training
    save_model(fresh, described, tmp_path)
    again, read = load_model(tmp_path)
    assert read.fitted_on == {"calibrator": facts}
    assert not any(
        torch.equal(value, again.state_dict()[f"calibrator.{name}"])
        for name, value in model.calibrator.state_dict().items()
    )
    for name, value in again.state_dict().items():
        wanted = torch.full_like(value, 0.25) if name.startswith("calibrator.") else before[name]
        assert torch.equal(value, wanted), name
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
