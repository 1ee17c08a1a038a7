"""ONNX's versions of torch's operations, against scipy and numpy."""

import numpy as np
import onnxruntime
import pytest
import torch
from scipy import special
from torch import nn

from poserior.export.onnx_file import _quiet
from poserior.export.translations import TRANSLATIONS

KNOWN = np.float32([-2.0, -1.0, -1.0, 0.5, 3.0, 3.0, 7.0])
POINTS = np.concatenate([np.geomspace(1e-4, 1e4, 300), np.linspace(0.1, 12, 300)]).astype(np.float32)


class Operations(nn.Module):
    """All of them, in one graph."""

    def forward(self, x):
        table = torch.from_numpy(KNOWN)
        rows = table.expand(x.shape[0], -1).contiguous()
        orders = [torch.special.gammainc(torch.tensor(order), x) for order in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)]
        return (
            torch.special.erfcx(x),
            torch.special.erfcx(-x.clamp(max=5)),
            torch.lgamma(x),
            torch.stack(orders),
            torch.searchsorted(table, x - 3),
            torch.searchsorted(table, x - 3, right=True),
            torch.searchsorted(rows, (x[:, None] - 3).contiguous()),
        )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("operations") / "x.onnx"
    shapes = {"x": {0: torch.export.Dim("n")}}
    with _quiet():
        program = torch.onnx.export(
            Operations(), (torch.rand(6),), dynamo=True, dynamic_shapes=shapes, custom_translation_table=TRANSLATIONS
        )
    program.save(path)
    names = ("erfcx", "erfcx of negative", "lgamma", "gammainc", "searchsorted", "right", "rows")
    return dict(zip(names, onnxruntime.InferenceSession(str(path)).run(None, {"x": POINTS}), strict=True))


def test_erfcx(found):
    points = POINTS.astype(float)
    np.testing.assert_allclose(found["erfcx"], special.erfcx(points), rtol=1e-6)
    np.testing.assert_allclose(found["erfcx of negative"], special.erfcx(-points.clip(max=5)), rtol=1e-5)


def test_lgamma(found):
    np.testing.assert_allclose(found["lgamma"], special.gammaln(POINTS.astype(float)), rtol=1e-5, atol=2e-5)


def test_gammainc(found):
    orders = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])[:, None]
    np.testing.assert_allclose(found["gammainc"][:6], special.gammainc(orders, POINTS.astype(float)), atol=1e-6)
    assert np.isnan(found["gammainc"][6]).all()  # an order it does not know is seen at once


def test_searchsorted(found):
    np.testing.assert_array_equal(found["searchsorted"], np.searchsorted(KNOWN, POINTS - 3))
    np.testing.assert_array_equal(found["right"], np.searchsorted(KNOWN, POINTS - 3, side="right"))
    np.testing.assert_array_equal(found["rows"][:, 0], np.searchsorted(KNOWN, POINTS - 3))
    assert {0, 1, 3, 4, 7} <= set(found["searchsorted"].tolist())
