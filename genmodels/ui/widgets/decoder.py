"""How a browser decodes latents by itself."""

from typing import TypedDict

from ...recipes import LatentRecipe


class Decoder(TypedDict):
    """What `openDecoder` of decoder.js takes.

    `runtime` is the folder of onnxruntime-web, `wasm` its large file, `model` that of
    `onnx_export`; these two may be gzip files.
    """

    runtime: str
    wasm: str
    model: str
    latentDim: int
    channels: int
    height: int
    width: int


def decoder_at(recipe: LatentRecipe, folder: str, wasm: str, model: str) -> Decoder:
    """A decoder by the addresses of its parts."""
    channels, height, width = recipe.shape
    return {
        "runtime": folder,
        "wasm": wasm,
        "model": model,
        "latentDim": recipe.latent_dim,
        "channels": channels,
        "height": height,
        "width": width,
    }
