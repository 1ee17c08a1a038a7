"""The states of all random generators that a training step may draw from, as plain values and tensors."""

import random
from typing import Any

import numpy as np
import torch


def random_states(device: torch.device) -> dict[str, Any]:
    """What `set_random_states` continues from: Python's, numpy's, torch's generators and the device's own."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002  # the global one
    states: dict[str, Any] = {
        # as tensors: a checkpoint's writer looks at every entry of a list by itself
        "python": [version, torch.tensor(words), gauss],
        "numpy": [str(kind), torch.tensor(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        states["device"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["device"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Draw on from where `random_states` was asked."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(states["torch"].cpu())
    if "device" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["device"].cpu(), device)
    elif "device" in states and device.type == "mps":
        torch.mps.set_rng_state(states["device"].cpu())
