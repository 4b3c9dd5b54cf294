"""A GAN and a VAE that learn points in the browser."""

from typing import TypedDict

from . import widget

_playground = widget("playground")


class Playground(TypedDict):
    """What learns which points, and how.

    `model` is "gan", "vae" or "both"; `points` a name of DISTRIBUTIONS in distributions.js, or
    "drawn". The rates are Adam's, of D, of G and of the VAE. `variance` is the decoder's,
    `kl_weight` the KL term's share of the loss. Another `turn` begins anew.
    """

    model: str
    points: str
    seed: int
    saturating: bool
    rate_d: float
    rate_g: float
    rate: float
    latents: int
    variance: float
    kl_weight: float
    turn: int


def playground(settings: Playground, key: str) -> None:
    """A GAN, a VAE, or both, that learn points of the plane in the browser, when told to.

    Rates, loss, variance and KL weight change what goes on; the other settings begin anew.
    """
    _playground(key=key, data=dict(settings))
