"""Images to features; the only place that imports timm."""

from poserior.backbones.backbone import Backbone as Backbone
from poserior.backbones.dense_base import DenseBackbone as DenseBackbone
from poserior.backbones.dla import DLA34 as DLA34
from poserior.backbones.flops import multiply_adds as multiply_adds
from poserior.backbones.hourglass import Hourglass104 as Hourglass104
from poserior.backbones.upsampled import Upsampled as Upsampled
