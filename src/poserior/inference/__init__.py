"""From pictures and boxes to `Prediction`s."""
