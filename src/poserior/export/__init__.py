"""Trained models as ONNX files: the predictor's tensor path as a graph."""
