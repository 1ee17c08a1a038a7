"""Models from plain values: which heads can be named."""

from dataclasses import replace

import pytest
import torch
import yaml

from poserior import heads, skeletons
from poserior.errors import InputError
from poserior.models import ModelSpec, build_model, load_model, save_model
from poserior.structures import Target


class OwnHead(heads.Laplace):
    """A head that lives outside the library."""


def spec(class_path, **init_args):
    head = {"class_path": class_path, "init_args": init_args}
    return ModelSpec({"name": "test_resnet"}, head, skeletons.load("lsp14"), (32, 24))


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("Laplace", heads.Laplace),
        ("poserior.heads.Laplace", heads.Laplace),
        (f"{__name__}.OwnHead", OwnHead),
        ("poserior.heads.laplace.Laplace", heads.Laplace),
    ],
)
def test_a_head_by_name_or_dotted_path(path, head):
    model = build_model(spec(path, initial_scale=0.2))
    assert type(model.head) is head
    law = model.eval()(torch.rand(2, 3, 32, 24))
    assert law.batch_shape == (2, 14)


@pytest.mark.parametrize("path", ["", "Lapalce", "Head", "nowhere.Head", "math.sqrt", "torch.nn.Linear"])
def test_what_is_no_head_is_refused_in_one_sentence(path):
    with pytest.raises(InputError, match="or the dotted path of one's own, found"):
        build_model(spec(path))


def test_arguments_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"head Laplace does not take these arguments: .*components"):
        build_model(spec("Laplace", components=3))


def test_a_skeletons_parts_are_stored_and_older_files_have_none(tmp_path):
    import yaml

    from poserior.models import load_model, save_model

    head = {"class_path": "Laplace", "init_args": {}}
    own = ModelSpec({"name": "test_resnet"}, head, skeletons.load("coco133"), (32, 24))
    save_model(build_model(own), own, tmp_path)
    assert load_model(tmp_path)[1].skeleton == skeletons.load("coco133")
    content = yaml.safe_load((tmp_path / "model.yaml").read_text())
    del content["skeleton"]["parts"]
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(content))
    assert load_model(tmp_path)[1].skeleton.parts == ()


AREA = {"class_path": "ExpectedOks", "init_args": {"area_per_box": 0.3}}


def test_area_and_visibility_change_no_gradient_of_backbone_and_head():
    model = build_model(replace(spec("Laplace"), calibrator=AREA)).train()
    labels = torch.randint(1, 3, (4, 14))
    target = Target(
        keypoints=torch.rand(4, 14, 2) - 0.5,
        visibility=labels,
        area=torch.tensor([100.0, 200.0, torch.nan, 50.0]),
        box_xyxy=torch.tensor([[0.0, 0.0, 20.0, 30.0]]).expand(4, 4),
        crop=torch.eye(2, 3, dtype=torch.float64).expand(4, 2, 3),
        image_id=(1, 2, 3, 4),
        annotation_id=(1, 2, 3, 4),
        head_size=torch.full((4,), torch.nan),
    )
    images = torch.rand(4, 3, 32, 24)
    buffers = {name: value.clone() for name, value in model.named_buffers()}

    def gradients():
        model.zero_grad()
        model.load_state_dict(buffers, strict=False)
        model.loss(images, target).backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    with_both = gradients()
    calibrator, model.calibrator = model.calibrator, None
    alone = gradients()
    model.calibrator = calibrator
    assert set(with_both) - set(alone) == {f"calibrator.{name}" for name, _ in calibrator.named_parameters()}
    for name, gradient in alone.items():
        assert torch.equal(gradient, with_both[name]), name
    # Nor do the two change each other's: visibility's is that of a calibrator without an area.
    features = model.backbone(images).detach()
    model.zero_grad()
    (0.02 * calibrator.visibility_loss(features, labels)).backward()
    torch.testing.assert_close(with_both["calibrator.visibility.weight"], calibrator.visibility.weight.grad)
    assert calibrator.area.weight.grad is None


def test_runs_without_an_area_still_load(tmp_path):
    model = build_model(spec("Laplace"))
    save_model(model, spec("Laplace"), tmp_path)
    content = yaml.safe_load((tmp_path / "model.yaml").read_text())
    for name in ("calibrator", "recalibration", "regions", "fitted_on"):  # as they were before these fields
        del content[name]
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(content))
    again, _ = load_model(tmp_path)
    assert again.calibrator.area is None
    assert again.area_share(torch.rand(2, 8, 3, 3)) is None
    for name, value in again.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_a_run_with_an_area_survives_the_disk(tmp_path):
    described = replace(spec("Laplace"), calibrator=AREA)
    model = build_model(described)
    with torch.no_grad():
        model.calibrator.area.weight.normal_()
    save_model(model, described, tmp_path)
    again, read = load_model(tmp_path)
    assert read.calibrator == AREA
    features = again.backbone(torch.rand(2, 3, 32, 24))
    torch.testing.assert_close(again.area_share(features), model.area_share(features), rtol=0, atol=0)
