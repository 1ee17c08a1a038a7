"""Trained models as ONNX files: the predictor's tensor path as a graph."""

from poserior.export.onnx_file import Exported, checked_output, export_model, export_onnx
from poserior.export.quantise import quantise

__all__ = ["Exported", "checked_output", "export_model", "export_onnx", "quantise"]
