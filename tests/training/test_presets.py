import pytest

from poserior.errors import InputError
from poserior.heads import __all__ as heads
from poserior.training.presets import HEADS, preset, split_names


def test_every_head_has_a_short_name():
    assert {part["class_path"] for part in HEADS.values()} == set(heads) - {"Head"}


def test_arguments_in_brackets_join_the_presets_own():
    assert preset("L1[initial_scale=0.2]") == {
        "class_path": "Fixed",
        "init_args": {"base": "laplace", "initial_scale": 0.2},
    }
    assert preset("RLE[base=gaussian]")["init_args"] == {"base": "gaussian"}
    assert HEADS["RLE"]["init_args"] == {}  # the preset itself stays as it is
    assert split_names("A[x=1,y=2] , B,C[z=3]") == ["A[x=1,y=2]", "B", "C[z=3]"]


def test_arguments_may_be_lists():
    name = "Bins[image_size=[64, 48],feature_size=[2, 2],label_scale=2.0]"
    assert split_names(f"L1,{name},L2") == ["L1", name, "L2"]
    options = {"image_size": [64, 48], "feature_size": [2, 2], "label_scale": 2.0}
    assert preset(name)["init_args"] == options


@pytest.mark.parametrize(
    "name", ["RLE[log_s]", "RLE[log_s=", "RLE[=1]", "RLE[a b=1]", "RLE[log_s=true", "RLE[log_s=]", "RLE[a=[1]"]
)
def test_broken_brackets_are_refused(name):
    with pytest.raises(InputError, match="expected a head as NAME"):
        preset(name)


def test_unknown_heads_are_refused():
    with pytest.raises(InputError, match=r"expected heads among L1, L2, .*, found 'Rle'"):
        preset("Rle[log_s=true]")
