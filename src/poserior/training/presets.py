"""The heads that tables compare, by the short names tables use."""

from poserior.errors import InputError
from poserior.training.config import Part

HEADS: dict[str, Part] = {
    "L1": {"class_path": "Fixed", "init_args": {"base": "laplace"}},
    "L2": {"class_path": "Fixed", "init_args": {"base": "gaussian"}},
    "Gaussian": {"class_path": "Gaussian", "init_args": {}},
    "Laplace": {"class_path": "Laplace", "init_args": {}},
    "DLE": {"class_path": "DLE", "init_args": {}},
    "RLE": {"class_path": "RLE", "init_args": {}},
    "FullGaussian": {"class_path": "FullGaussian", "init_args": {}},
    "StudentT": {"class_path": "StudentT", "init_args": {}},
    "Mixture": {"class_path": "Mixture", "init_args": {}},
    "PoseMixture": {"class_path": "PoseMixture", "init_args": {}},
    "Energy": {"class_path": "Energy", "init_args": {}},
    "Bins": {"class_path": "Bins", "init_args": {}},
    "Heatmap": {"class_path": "Heatmap", "init_args": {}},
    "Integral": {"class_path": "Integral", "init_args": {}},
    "SoftArgmaxRLE": {"class_path": "SoftArgmaxRLE", "init_args": {}},
    "AuxiliaryHeatmapRLE": {"class_path": "AuxiliaryHeatmapRLE", "init_args": {}},
}


def preset(name: str) -> Part:
    """The head of a table's name.

    >>> preset("L2")["init_args"]
    {'base': 'gaussian'}
    """
    if name not in HEADS:
        raise InputError(f"expected heads among {', '.join(HEADS)}, found {name!r}; correct the list of heads")
    return {"class_path": HEADS[name]["class_path"], "init_args": dict(HEADS[name]["init_args"])}
