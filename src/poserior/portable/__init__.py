"""Prediction with an exported model; needs neither torch nor timm."""
