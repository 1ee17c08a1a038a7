"""What every test shares: a fixed seed, and where the real data lies, if it does."""

import copy
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

REAL_DATA = Path(os.environ.get("POSERIOR_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def real_data():
    """A function from a name to a path under the real data; skips where it is absent."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"real data {name!r} is not here (set POSERIOR_DATA to its folder)")
        return path

    return find


@pytest.fixture
def double():
    """The test runs in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


STRANGE = st.sampled_from(
    [None, True, -1, 0, 2, 10**30, -(2**63), 1e308, -1e9, 0.5, math.nan, math.inf, -math.inf, "", "x", "../../up.jpg",
     "/etc/hosts", "a\0b", "1", [], [1], [[]], {}, {"id": 1}, [None, "x"]]
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn, content: Any) -> Any:
    """Copies of a JSON value in which one to three random places hold something strange, nothing, or things twice."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        parent, key = None, None
        node = content
        while isinstance(node, dict | list) and node and (parent is None or draw(st.integers(0, 4))):
            parent, key = node, draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            node = parent[key]
        if parent is None:
            return copy.deepcopy(draw(STRANGE))
        what = draw(st.sampled_from(["replace", "replace", "delete", "double"]))
        if what == "replace":
            parent[key] = copy.deepcopy(draw(STRANGE))  # a list may be changed next
        elif what == "delete":
            del parent[key]
        elif isinstance(parent, list):
            parent.insert(key, copy.deepcopy(node))
        else:
            parent[draw(st.sampled_from(["id", "bbox", "extra"]))] = copy.deepcopy(node)
    return content


@pytest.fixture(scope="session")
def mutated():
    """`mutations`: a strategy of broken copies of a JSON value."""
    return mutations
