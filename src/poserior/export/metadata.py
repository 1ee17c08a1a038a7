"""What an exported file says of itself: all that is needed to use it without the run."""

import json
import math
from dataclasses import asdict
from typing import Any

from torch import Tensor

from poserior import __version__
from poserior.calibration import Regions
from poserior.models import ModelSpec, Regressor

KEY = "poserior"
"""The file's metadata are JSON under this key."""

FORMAT_VERSION = 1
COVERAGES = (0.5, 0.8, 0.9, 0.95)
"""The promises of the regions in the file's table."""


def metadata(model: Regressor, spec: ModelSpec, flip_test: bool) -> dict[str, Any]:
    """The metadata, as docs/export.md lists them; plain values.

    Args:
        model: the model that was exported.
        spec: what it was built from.
        flip_test: whether the graph fuses every density with the mirrored crop's.
    """
    described = asdict(spec)
    described["backbone"] = {name: value for name, value in spec.backbone.items() if name != "weights"}  # a path
    # Regions hold only for predictions made as in their fit.
    regions = model.regions if spec.fitted_on.get("regions", {}).get("flip_test", flip_test) == flip_test else None
    content = {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        **described,
        "flip_test": flip_test,
        "dim": model.head.dim,
        "regions": None if regions is None else regions_table(regions, spec.regions),
    }
    plain: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return plain


def regions_table(regions: Regions, description: Any) -> dict[str, Any] | None:
    """Radii and levels by size group and keypoint, of every coverage in `COVERAGES`; None where null stands.

    Null is infinity: a radius of everything, an edge below every area. None for regions that know no size groups.
    """
    tables = {coverage: regions.by_size(coverage) for coverage in COVERAGES}
    first = tables[COVERAGES[0]]
    if first is None:
        return None
    return {
        "class_path": (description or {}).get("class_path"),
        "log_area_edges": _finite(first.edges),
        "radii": {str(coverage): _finite(table.radii) for coverage, table in tables.items() if table is not None},
        "levels": {str(coverage): _finite(table.levels) for coverage, table in tables.items() if table is not None},
    }


def _finite(values: Tensor) -> Any:
    return _nested(values.double().tolist())


def _nested(values: Any) -> Any:
    if isinstance(values, list):
        return [_nested(value) for value in values]
    return values if math.isfinite(values) else None
