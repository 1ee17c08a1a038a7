import pytest
import torch
import yaml
from safetensors.torch import load_file

from poserior import skeletons
from poserior.datasets import KeypointDataset
from poserior.errors import InputError
from poserior.models import build_model, load_model
from poserior.structures import Sample
from poserior.training import Backbone, Budget, Hardware, Loader, Optimiser, train
from poserior.training.run import mean_area_per_box, model_spec, warm_start


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


def rows(folder):
    lines = (folder / "log.csv").read_text(encoding="utf-8").splitlines()
    return [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]


def test_a_killed_run_resumes_to_the_same_weights(dots, small, tmp_path):
    class Killed(RuntimeError):
        pass

    class Fragile(dots):
        left = 26  # a look at everybody, two epochs of eight, and a little

        def __getitem__(self, index):
            self.left -= 1
            if self.left < 0:
                raise Killed
            return super().__getitem__(index)

    config = small(
        head={"class_path": "RLE", "init_args": {"couplings": 2, "neurons": 8}},
        optimiser=Optimiser(lr=3e-3, warmup=2, ema=0.9, accumulate=2),
        budget=Budget(epochs=4),
        loader=Loader(batch_size=2, workers=0),
    )
    whole = train(config, tmp_path / "whole", data=(dots(8), dots(3, seed=1)))
    with pytest.raises(Killed):
        train(config, tmp_path / "broken", data=(Fragile(8), dots(3, seed=1)))
    assert not (tmp_path / "broken" / "model.safetensors").exists()
    assert [row["epoch"] for row in rows(tmp_path / "broken")] == ["1", "2"]
    resumed = train(config, tmp_path / "broken", resume=True, data=(dots(8), dots(3, seed=1)))
    same(weights(whole), weights(resumed))
    for ours, theirs in zip(rows(whole), rows(resumed), strict=True):
        assert {**ours, "minutes": ""} == {**theirs, "minutes": ""}
    assert [row["step"] for row in rows(whole)] == ["2", "4", "6", "8"]


def test_same_seed_same_weights_other_seed_others(dots, small, tmp_path):
    runs = [
        weights(train(small(seed=seed), tmp_path / name, data=(dots(4), None)))
        for seed, name in ((1, "a"), (1, "b"), (2, "c"))
    ]
    same(runs[0], runs[1])
    assert any(not torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


def test_the_folder_tells_everything(dots, small, tmp_path):
    config = small(optimiser=Optimiser(lr=3e-3, warmup=0))
    folder = train(config, tmp_path / "run", data=(dots(4), dots(5, seed=1)))
    assert type(config).from_dict(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))) == config
    model, spec = load_model(folder)
    assert (spec.skeleton, spec.image_size, spec.box_padding) == (dots.skeleton, (32, 24), 1.25)
    assert isinstance(float(rows(folder)[-1]["val_nll"]), float)
    assert not model.training
    assert not list(folder.glob("*.tmp"))


def test_another_runs_folder_is_refused(dots, small, tmp_path):
    people = (dots(4), None)
    train(small(), tmp_path / "run", data=people)
    before = weights(tmp_path / "run")
    with pytest.raises(InputError, match=r"found a run in .*run; choose another --output"):
        train(small(), tmp_path / "run", data=people)
    with pytest.raises(InputError, match="other values of image_size, seed"):
        train(small(seed=5, image_size=(40, 24)), tmp_path / "run", resume=True, data=people)
    same(before, weights(tmp_path / "run"))


def test_warm_start_copies_the_backbone_and_nothing_else(dots, small, tmp_path):
    first = train(small(), tmp_path / "first", data=(dots(4), None))
    source, _ = load_model(first)
    spec = model_spec(small(head={"class_path": "Gaussian", "init_args": {}}), dots.skeleton)
    torch.manual_seed(7)
    plain = build_model(spec)
    torch.manual_seed(7)
    started = build_model(spec)
    warm_start(started, first)
    same(source.backbone.state_dict(), started.backbone.state_dict())
    same(plain.head.state_dict(), started.head.state_dict())
    name = next(key for key in plain.backbone.state_dict() if key.endswith("weight"))
    assert not torch.equal(plain.backbone.state_dict()[name], started.backbone.state_dict()[name])


def test_warm_start_from_another_network_or_nothing(dots, small, tmp_path):
    first = train(small(), tmp_path / "first", data=(dots(4), None))
    other = build_model(model_spec(small(backbone=Backbone("test_efficientnet")), dots.skeleton))
    with pytest.raises(InputError, match="the same backbone in warm_start folder"):
        warm_start(other, first)
    with pytest.raises(InputError, match="nowhere"):
        warm_start(other, tmp_path / "nowhere")


def test_a_time_budget_ends_and_the_rate_falls(dots, small, tmp_path):
    config = small(budget=Budget(minutes=0.02), optimiser=Optimiser(lr=1e-3, warmup=0, schedule="linear"))
    folder = train(config, tmp_path / "run", data=(dots(8), dots(3)))
    log = rows(folder)
    assert 0.02 <= float(log[-1]["minutes"]) < 0.1
    rates = [float(row["lr"]) for row in log]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 2e-4
    assert float(log[-1]["val_nll"]) == float(log[-1]["val_nll"])  # validated at the end, too


def test_bf16_and_unlabelled_keypoints(dots, small, tmp_path):
    config = small(
        head={"class_path": "RLE", "init_args": {"couplings": 2, "neurons": 8}},
        hardware=Hardware(accelerator="cpu", precision="bf16-mixed"),
    )
    folder = train(config, tmp_path / "run", data=(dots(8, unlabelled=True), dots(3, unlabelled=True)))
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights(folder).values())
    assert abs(float(rows(folder)[-1]["val_nll"])) < 20


def test_nothing_of_lightnings_chatter_reaches_the_user(dots, small, tmp_path, capfd, recwarn):
    train(small(), tmp_path / "run", data=(dots(4), dots(3)))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Laplace: 100%" in captured.err
    for word in ("lit", "GPU", "TPU", "max_epochs", "Tip"):
        assert word not in captured.err
    assert not recwarn.list


def test_the_share_of_the_box_that_people_fill_is_measured_on_them(tmp_path):
    """A quarter of the people fill half of their box, the others a tenth: (0.5 + 3 * 0.1) / 4."""

    class Boxes(KeypointDataset):
        skeleton = skeletons.load("lsp14")

        def __len__(self):
            return 8

        def __getitem__(self, index):
            box = torch.tensor([10.0, 20.0, 30.0, 60.0])
            return Sample(
                torch.zeros(4, 4, 3, dtype=torch.uint8),
                torch.zeros(14, 2),
                torch.zeros(14, dtype=torch.int64),
                box,
                800.0 * (0.5 if index % 4 == 0 else 0.1),
                self.skeleton,
                index,
            )

    assert mean_area_per_box(Boxes()) == pytest.approx(0.2)


def test_a_run_learns_the_area_and_starts_at_the_mean(dots, small, tmp_path):
    run = train(small(budget=Budget(epochs=1)), tmp_path / "run", data=(dots(8), None), progress=False)
    model, spec = load_model(run)
    share = 500 / (32 * 36)  # of every person
    assert spec.calibrator["init_args"]["area_per_box"] == pytest.approx(share)
    predicted = model.area_share(model.backbone(torch.rand(2, 3, 32, 24)))
    assert predicted.tolist() == pytest.approx([share] * 2, rel=0.1)
    assert (model.calibrator.area.weight != 0).any()
