"""Maps from features: transposed convolutions that double the resolution, then one map per keypoint."""

from jaxtyping import Float
from torch import Tensor, nn


class Deconvolution(nn.Module):
    """Features ``(B, C, H, W)`` to maps ``(B, K, 2^n H, 2^n W)``, with `depth_cells` ``(B, K, Z, 2^n H, 2^n W)``.

    n times a transposed convolution (4 x 4, stride 2), batch normalisation and ReLU; then a 1 x 1 convolution. The
    convolutions run in autocast's precision; the maps come back in the weights' own.

    Source: Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018; a third axis as channels:
    Sun et al., "Integral Human Pose Regression", ECCV 2018.

    Args:
        in_channels: C.
        num_keypoints: K.
        num_deconvolutions: n; 0 for features that have the maps' resolution already (HRNet).
        channels: width of the transposed convolutions.
        depth_cells: Z, cells along the third axis; None for maps of two axes.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        num_deconvolutions: int = 3,
        channels: int = 256,
        depth_cells: int | None = None,
    ) -> None:
        super().__init__()
        if num_deconvolutions < 0 or channels < 1 or (depth_cells is not None and depth_cells < 1):
            found = f"{num_deconvolutions}, {channels} and {depth_cells}"
            raise ValueError(f"expected num_deconvolutions >= 0, channels and depth_cells >= 1, found {found}")
        layers: list[nn.Module] = []
        for _ in range(num_deconvolutions):
            raise_resolution = nn.ConvTranspose2d(in_channels, channels, 4, stride=2, padding=1, bias=False)
            nn.init.normal_(raise_resolution.weight, std=0.001)
            layers += [raise_resolution, nn.BatchNorm2d(channels), nn.ReLU()]
            in_channels = channels
        self.stem = nn.Sequential(*layers)
        self.maps = nn.Conv2d(in_channels, num_keypoints * (depth_cells or 1), 1)
        nn.init.normal_(self.maps.weight, std=0.001)
        if self.maps.bias is not None:
            nn.init.zeros_(self.maps.bias)
        self.num_keypoints, self.depth_cells = num_keypoints, depth_cells

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K *cells"]:
        maps: Tensor = self.maps(self.stem(features)).to(self.maps.weight.dtype)
        if self.depth_cells is None:
            return maps
        return maps.reshape(len(maps), self.num_keypoints, self.depth_cells, *maps.shape[2:])
