"""Many pictures of one size, as player.js and grid.js take them."""

from functools import lru_cache
from typing import Any

from PIL import Image

from ... import pictures


def frames(sprite: Image.Image, count: int, height: int, width: int) -> dict[str, Any]:
    """A sprite of `pictures.sprite`, with how to find a picture in it. Raises ValueError where it
    isn't of that many pictures of that size."""
    columns = pictures.columns_for(count)
    rows = -(-count // columns)
    if sprite.size != (columns * width, rows * height):
        raise ValueError(
            f"{count} pictures of {width}×{height} make a sprite of "
            f"{columns * width}×{rows * height}, not {sprite.width}×{sprite.height}"
        )
    return {
        "sprite": _data_url(sprite.mode, sprite.size, sprite.tobytes()),
        "columns": columns,
        "count": count,
        "height": height,
        "width": width,
    }


@lru_cache(maxsize=16)
def _data_url(mode: str, size: tuple[int, int], pixels: bytes) -> str:
    """Encoded once, not at every rerun."""
    return pictures.data_url(Image.frombytes(mode, size, pixels))
