"""Images to features; the only place that imports timm."""

from poserior.backbones.backbone import Backbone as Backbone
