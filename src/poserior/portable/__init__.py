"""Exported models without torch: a graph, what its file says of it, people from pictures."""

from poserior.portable.exported import FORMAT_VERSION, METADATA_KEY, Exported
from poserior.portable.prediction import PortablePrediction, PortableRegion
from poserior.portable.predictor import OnnxPredictor

__all__ = ["FORMAT_VERSION", "METADATA_KEY", "Exported", "OnnxPredictor", "PortablePrediction", "PortableRegion"]
