import pickle
import subprocess
import sys

import pytest
import torch

import poserior.metrics
from poserior.metrics import EndPointError


def test_functions_come_without_torchmetrics_and_matplotlib():
    heavy = ("torchmetrics", "matplotlib", "lightning", "torchvision")
    code = f"import poserior.metrics, sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_there_and_no_other():
    assert all(callable(getattr(poserior.metrics, name)) for name in poserior.metrics.__all__)
    with pytest.raises(AttributeError, match=r"module 'poserior.metrics' has no attribute 'accuracy'"):
        poserior.metrics.accuracy  # noqa: B018


def test_reset_forgets_and_a_pickled_metric_remembers():
    metric = EndPointError()
    one = torch.tensor([[[3.0, 4.0]]]), torch.zeros(1, 1, 2), torch.tensor([[2]])
    two = torch.tensor([[[0.0, 1.0]]]), torch.zeros(1, 1, 2), torch.tensor([[1]])
    assert metric(*one).item() == 5
    assert metric(*two).item() == 1
    assert pickle.loads(pickle.dumps(metric)).compute().item() == 3
    metric.reset()
    metric.update(*two)
    assert metric.compute().item() == 1


def test_nothing_it_keeps_holds_a_graph():
    preds = torch.ones(1, 1, 2, requires_grad=True)
    metric = EndPointError()
    metric.update(preds, torch.zeros(1, 1, 2), torch.tensor([[2]]))
    assert not metric.compute().requires_grad
