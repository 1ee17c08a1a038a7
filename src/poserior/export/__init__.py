"""Portable forms of a trained model."""
