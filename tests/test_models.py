"""Models from plain values: which heads can be named."""

import pytest
import torch

from poserior import heads, skeletons
from poserior.errors import InputError
from poserior.models import ModelSpec, build_model


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
