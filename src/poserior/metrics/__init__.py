"""`(preds, target)` to a number; function and class in one file."""
