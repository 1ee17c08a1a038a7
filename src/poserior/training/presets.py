"""The heads that tables compare, by the short names tables use."""

import yaml

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
    """The head of a table's name; arguments of its own may follow in brackets.

    >>> preset("L2")["init_args"]
    {'base': 'gaussian'}
    >>> preset("RLE[log_s=true,layers=2]")["init_args"]
    {'log_s': True, 'layers': 2}
    """
    plain, _, options = name.removesuffix("]").partition("[")
    if plain not in HEADS:
        raise InputError(f"expected heads among {', '.join(HEADS)}, found {plain!r}; correct the list of heads")
    arguments = dict(HEADS[plain]["init_args"])
    for option in split_names(options) if options else []:
        key, equals, value = option.partition("=")
        try:
            arguments[key.strip()] = yaml.safe_load(value)
            fits = key.strip().isidentifier() and equals and value.strip() and name.endswith("]")
        except yaml.YAMLError:
            fits = False
        if not fits:
            raise InputError(f"expected a head as NAME or NAME[argument=value,...], found {name!r}; correct it")
    return {"class_path": HEADS[plain]["class_path"], "init_args": arguments}


def split_names(names: str) -> list[str]:
    """Names separated by commas, those inside brackets kept.

    >>> split_names("L1, RLE[log_s=true,layers=2],Bins[image_size=[64, 48]]")
    ['L1', 'RLE[log_s=true,layers=2]', 'Bins[image_size=[64, 48]]']
    """
    parts, depth = [""], 0
    for letter in names:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
