"""Residual blocks (He et al. 2016) that double or halve an image, as in Miyato et al. 2018."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

NormLayer = Callable[[int], list[nn.Module]]


class Up(nn.Module):
    """[n, channels, h, w] to [n, width, 2h, 2w]."""

    def __init__(self, channels: int, width: int, norm: NormLayer):
        super().__init__()
        self.before = nn.Sequential(*norm(channels), nn.ReLU())
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            *norm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.skip = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        # A convolution over one pixel each may as well come before the doubling.
        return double(self.skip(x)) + self.body(double(self.before(x)))


class Down(nn.Module):
    """[n, channels, 2h, 2w] to [n, width, h, w]."""

    def __init__(self, channels: int, width: int, norm: NormLayer):
        super().__init__()
        self.body = nn.Sequential(
            *norm(channels),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, width, 3, padding=1),
            *norm(width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
        )
        self.skip = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(F.avg_pool2d(x, 2)) + self.body(x)


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def widths(size: int, feature_maps: int) -> tuple[int, list[int]]:
    """The smallest image's size, and the channels from there to the widest image.

    28 and 14 pixels come from 7, 64 and 32 from 4; channels double as the image halves, up to
    eight-fold.
    """
    start = 7 if size % 7 == 0 else 4
    doublings = (size // start).bit_length() - 1
    return start, [feature_maps * min(2**power, 8) for power in range(doublings, -1, -1)]


def rising(latent_dim: int, shape: tuple[int, int, int], maps: int, norm: NormLayer):
    """Layers from latents to what a tanh or a sigmoid makes images of."""
    start, channels = widths(shape[1], maps)
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, channels[0] * start * start),
        nn.Unflatten(1, (channels[0], start, start)),
    ]
    layers += [Up(*pair, norm) for pair in pairwise(channels)]
    last = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
    return [*layers, *norm(channels[-1]), nn.ReLU(), last]


def falling(shape: tuple[int, int, int], maps: int, norm: NormLayer) -> tuple[list, int]:
    """Layers from images to features, and how many channels those have at 7x7 or 4x4 pixels."""
    channels = widths(shape[1], maps)[1][::-1]
    layers: list[nn.Module] = [nn.Conv2d(shape[0], channels[0], 3, padding=1)]
    layers += [Down(*pair, norm) for pair in pairwise(channels)]
    return [*layers, *norm(channels[-1]), nn.LeakyReLU(0.2)], channels[-1]
