"""One network, one pass, every object in the picture, each with a density over its box or its whole pose.

Source: Varamesh & Tuytelaars, "Mixture dense regression for object detection and human pose estimation", CVPR 2020, on
CenterNet (Zhou et al., "Objects as points", 2019).
"""
