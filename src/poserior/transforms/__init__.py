"""`Sample` to `Sample`."""
