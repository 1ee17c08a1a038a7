"""What every test shares: a fixed seed, and where the real data lies, if it does."""

import os
from pathlib import Path

import pytest
import torch

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
