"""Images to features; the only place that imports timm."""
