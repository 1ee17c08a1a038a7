"""Keypoint annotations of other tools, read into and written from one record. Needs no torch."""
