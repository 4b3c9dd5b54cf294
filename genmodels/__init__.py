"""VAEs and GANs to train, sample and look into.

    import genmodels
    model = genmodels.load("vae-mnist")
    images = model.sample(64, seed=0)

The names below are loaded when first used: a page that shows stored pictures and curves
does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from .errors import GenmodelsError

if TYPE_CHECKING:
    from genmodels.latents.geometry import interpolate
    from genmodels.models.weights import load

    from . import evaluation

__all__ = ["GenmodelsError", "evaluation", "interpolate", "load"]


def __getattr__(name: str) -> Any:
    homes = {"load": ".models.weights", "interpolate": ".latents.geometry"}
    if name in homes:
        return getattr(importlib.import_module(homes[name], __name__), name)
    if name == "evaluation":
        return importlib.import_module(".evaluation", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
