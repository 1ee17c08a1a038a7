"""One network, one pass, every object in the picture, each with a density over its box or its whole pose.

Source: Varamesh & Tuytelaars, "Mixture dense regression for object detection and human pose estimation", CVPR 2020, on
CenterNet (Zhou et al., "Objects as points", 2019).
"""

from poserior.dense.decode import candidates
from poserior.dense.losses import LossWeights
from poserior.dense.model import DenseModel
from poserior.dense.predictor import DensePredictor
from poserior.dense.spec import DenseSpec, build_dense, load_dense, save_dense
from poserior.dense.targets import dense_targets

__all__ = [
    "DenseModel",
    "DensePredictor",
    "DenseSpec",
    "LossWeights",
    "build_dense",
    "candidates",
    "dense_targets",
    "load_dense",
    "save_dense",
]
