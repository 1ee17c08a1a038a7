import dataclasses

import lightning.pytorch as pl
import pytest
import torch

from poserior.errors import InputError
from poserior.models import ModelSpec, build_model
from poserior.training import Budget, Data, Loader, Optimiser, PoseModule
from poserior.training.callbacks import Ema
from poserior.training.data import to_device
from poserior.training.module import prepare_images
from poserior.training.quiet import quiet
from poserior.training.watch import Watch

SIZE = (64, 32)


def build(skeleton, backbone="test_convnext", head="Laplace", **init_args):
    spec = ModelSpec({"name": backbone}, {"class_path": head, "init_args": init_args}, skeleton, SIZE)
    torch.manual_seed(0)
    return build_model(spec)


def fit(module, people, val=None, batch_size=4, callbacks=(), **options):
    data = Data(people, val, SIZE, 1.25, Loader(batch_size=batch_size, workers=0, augment=False), seed=3)
    settings = {"max_epochs": 1, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    settings |= {"enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    settings |= {"use_distributed_sampler": False, "limit_val_batches": None if val else 0}
    with quiet():
        trainer = pl.Trainer(**settings | options, callbacks=list(callbacks))
        trainer.fit(module, datamodule=data)
    return trainer


class Gradients(pl.Callback):
    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.found = [p.grad.clone() for p in pl_module.model.parameters() if p.grad is not None]


def gradients(people, batch_size, accumulate, loss_weight=1.0):
    module = PoseModule(build(people.skeleton), SIZE, Optimiser(loss_weight=loss_weight), Budget())
    seen = Gradients()
    fit(module, people, batch_size=batch_size, callbacks=[seen], accumulate_grad_batches=accumulate)
    return seen.found


def test_two_accumulated_batches_have_the_gradient_of_one_twice_as_large(dots):
    halves, whole = gradients(dots(4), 2, 2), gradients(dots(4), 4, 1)
    assert sum(float(g.abs().sum()) for g in whole) > 0.1
    for ours, theirs in zip(halves, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-5)


def test_loss_weight_multiplies_the_gradient(dots):
    once, thrice = gradients(dots(4), 4, 1), gradients(dots(4), 4, 1, loss_weight=3.0)
    for ours, theirs in zip(thrice, once, strict=True):
        torch.testing.assert_close(ours, 3 * theirs, rtol=1e-4, atol=1e-6)


def test_a_batch_can_be_learned_by_heart(dots):
    people = dots(4)
    module = PoseModule(build(people.skeleton, "test_resnet", "RLE"), SIZE, Optimiser(lr=5e-3, warmup=5), Budget())
    images, target = next(iter(Data(people, None, SIZE, 1.25, Loader(4, 0, False)).train_dataloader()))
    before = float(module.model.loss(prepare_images(images), target).detach())
    trainer = fit(module, people, max_epochs=60)
    after = float(trainer.callback_metrics["train_loss"])
    module.eval()
    error = (module.model(prepare_images(images)).mode - target.keypoints).norm(dim=-1).mean()
    assert after < before - 3.0
    assert error < 0.1  # of the crop's side; the dots are spread over most of it


def test_validation_numbers_are_those_of_the_model(dots):
    people = dots(5, unlabelled=True)
    module = PoseModule(build(people.skeleton), SIZE, Optimiser(lr=1e-12), Budget())
    trainer = fit(module, people, val=people, batch_size=3)
    images, target = next(iter(Data(people, None, SIZE, 1.25, Loader(5, 0, False)).train_dataloader()))
    module.eval()
    with torch.no_grad():
        law = module.model(prepare_images(images))
    kept = target.visibility > 0
    assert int(kept.sum()) == 10
    nll = -law.log_prob(target.keypoints)[kept].mean()
    error = ((law.mode - target.keypoints) * torch.tensor([32.0, 64.0])).norm(dim=-1)[kept].mean()
    assert float(trainer.callback_metrics["val_nll"]) == pytest.approx(float(nll), rel=1e-5)
    assert float(trainer.callback_metrics["val_error"]) == pytest.approx(float(error), rel=1e-5)


def test_a_model_that_answers_no_number_stops_the_run(dots, tmp_path):
    people = dots(4)
    module = PoseModule(build(people.skeleton), SIZE, Optimiser(), Budget())
    with torch.no_grad():
        next(module.model.head.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match=r"others at step 0 for all 2 people, .* lower optimiser.lr"):
        fit(module, people, batch_size=2, callbacks=[Watch(tmp_path)])


def test_weight_decay_spares_biases_and_norms(dots):
    module = PoseModule(build(dots().skeleton), SIZE, Optimiser(weight_decay=0.3), Budget())
    decayed, spared = fit(module, dots(4)).optimizers[0].param_groups
    assert decayed["weight_decay"] == 0.3
    assert spared["weight_decay"] == 0.0
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim <= 1 for p in spared["params"])
    total = sum(p.numel() for group in (decayed, spared) for p in group["params"])
    assert total == sum(p.numel() for p in module.model.parameters())


def test_learning_rate_follows_the_schedule(dots):
    rates = []

    class Rates(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            rates.append(optimizer.param_groups[0]["lr"])

    optimiser = Optimiser(lr=0.5, warmup=2, schedule="linear")
    module = PoseModule(build(dots().skeleton), SIZE, optimiser, Budget())
    fit(module, dots(8), batch_size=2, callbacks=[Rates()])
    assert rates == pytest.approx([0.25, 0.5 * 0.75, 0.5 * 0.5, 0.5 * 0.25])


def test_ema_by_hand(dots):
    model = build(dots().skeleton)
    first = next(model.parameters())
    ema = Ema(0.5)
    ema.average = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    name = next(iter(dict(model.named_parameters())))
    with torch.no_grad():
        first.fill_(1.0)
    ema.update(model, 1)  # d = min(0.5, 1/10) = 0.1
    assert float(ema.average[name].flatten()[0]) == pytest.approx(0.9)
    with torch.no_grad():
        first.fill_(2.0)
    ema.update(model, 1000)  # d = 0.5
    assert float(ema.average[name].flatten()[0]) == pytest.approx(0.5 * 0.9 + 0.5 * 2.0)


def test_ema_takes_buffers_and_copies_counters(dots):
    model = build(dots().skeleton, "test_resnet")
    name = next(key for key in model.state_dict() if key.endswith("running_mean"))
    counter = name.replace("running_mean", "num_batches_tracked")
    ema = Ema(0.9)
    ema.average = {key: torch.zeros_like(value) for key, value in model.state_dict().items()}
    model.state_dict()[name].fill_(4.0)
    model.state_dict()[counter].fill_(7)
    ema.update(model, 3)  # d = 3/12
    torch.testing.assert_close(ema.average[name], torch.full_like(ema.average[name], 3.0))
    assert int(ema.average[counter]) == 7


def test_ema_is_what_is_validated_and_left(dots):
    people = dots(4)
    module = PoseModule(build(people.skeleton, "test_resnet", "RLE"), SIZE, Optimiser(lr=1e-2, warmup=0), Budget())
    ema, seen = Ema(0.9), {}

    class Look(pl.Callback):
        def on_validation_batch_start(self, trainer, pl_module, *_):
            seen["validated"] = {k: v.clone() for k, v in pl_module.model.state_dict().items()}

        def on_train_batch_end(self, trainer, pl_module, *_):
            seen["trained"] = {k: v.clone() for k, v in pl_module.model.state_dict().items()}

        def on_train_epoch_end(self, trainer, pl_module):
            seen["after"] = {k: v.clone() for k, v in pl_module.model.state_dict().items()}

    fit(module, people, val=people, batch_size=2, callbacks=[Look(), ema])
    weight = next(key for key in seen["trained"] if key.endswith("weight"))
    assert not torch.equal(seen["trained"][weight], ema.average[weight])
    torch.testing.assert_close(seen["validated"][weight], ema.average[weight], rtol=0, atol=0)
    torch.testing.assert_close(seen["after"][weight], seen["trained"][weight], rtol=0, atol=0)
    torch.testing.assert_close(module.model.state_dict()[weight], ema.average[weight], rtol=0, atol=0)
    # the flow's constants are those of the averaged flow
    law = module.model.head.law
    validated_mean = seen["validated"]["head.law.mean"].clone()
    law.refresh()
    torch.testing.assert_close(validated_mean, law.mean, rtol=1e-5, atol=1e-6)


def test_target_moves_whole(dots):
    _, target = next(iter(Data(dots(3), None, SIZE, 1.25, Loader(3, 0, False)).train_dataloader()))
    moved = to_device(target, "meta")
    assert moved.image_id == target.image_id
    for field in dataclasses.fields(target):
        value = getattr(target, field.name)
        if isinstance(value, torch.Tensor):
            assert getattr(moved, field.name).device.type == "meta"
            assert getattr(moved, field.name).dtype == value.dtype
