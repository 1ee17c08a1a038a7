import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from poserior.errors import InputError
from poserior.training import Budget, Loader, Optimiser, train


def poisoned(dots, index, value):
    class Poisoned(dots):
        def __getitem__(self, number):
            sample = super().__getitem__(number)
            if number == index:
                points = sample.keypoints.clone()
                points[1, 0] = value
                sample = dataclasses.replace(sample, keypoints=points)
            return sample

    return Poisoned


@pytest.mark.parametrize(("value", "accumulate"), [(float("nan"), 1), (float("inf"), 2)])
def test_one_bad_label_is_named_and_the_state_before_is_exact(dots, small, tmp_path, value, accumulate):
    config = small(
        optimiser=Optimiser(lr=3e-3, warmup=2, accumulate=accumulate, ema=0.9),
        loader=Loader(batch_size=2, workers=0),
        budget=Budget(epochs=2),
    )
    whole = train(config, tmp_path / "whole", data=(dots(8), None), progress=False)
    folder = tmp_path / "broken"
    with pytest.raises(InputError, match=r"for 1 of \d people: annotation 6 \(image 5\); correct or remove") as error:
        train(config, folder, data=(poisoned(dots, 5, value)(8), None), progress=False)
    assert "\n" not in str(error.value)
    found = next((folder / "broken").iterdir())
    record = json.loads((found / "people.json").read_text(encoding="utf-8"))
    assert found.name == f"step_{record['step']}"
    assert record["weights_finite"] is True
    assert [entry["annotation_id"] for entry in record["people"] if not entry["finite"]] == [6]
    assert len(record["people"]) == 2 * accumulate
    assert all(entry["image_id"] == entry["annotation_id"] - 1 for entry in record["people"])
    assert all(isinstance(entry["loss"], float) for entry in record["people"] if entry["finite"])
    assert not (folder / "model.safetensors").exists()
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["starts"][0]["status"] == "failed"
    # the label corrected, the run goes on from before the step as if nothing had been
    shutil.copy(found / "before.ckpt", folder / "last.ckpt")
    train(config, folder, resume=True, data=(dots(8), None), progress=False)
    ours, theirs = load_file(whole / "model.safetensors"), load_file(folder / "model.safetensors")
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=0)


def test_a_learning_rate_that_explodes(dots, small, tmp_path):
    config = small(
        optimiser=Optimiser(lr=1e30, warmup=0), loader=Loader(batch_size=2, workers=0), budget=Budget(epochs=5)
    )
    with pytest.raises(InputError, match=r"people, so that training itself has diverged; lower optimiser.lr"):
        train(config, tmp_path / "run", data=(dots(8), None), progress=False)
    (found,) = (tmp_path / "run" / "broken").iterdir()
    assert json.loads((found / "people.json").read_text(encoding="utf-8"))["learning_rate"] > 1e29
    assert (found / "before.ckpt").exists()
