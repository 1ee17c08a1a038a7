"""Prediction of many pictures in parts that can be resumed, repeated and shared out. Importing it needs no torch."""
