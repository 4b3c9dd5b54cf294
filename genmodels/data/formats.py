"""Arrays to pictures: PNG, WebP, sprites, GIF. Images are uint8 [n, height, width, channels].

A sprite is many images in one picture, row after row. Nothing here imports torch.
"""

import base64
import io
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Images = NDArray[np.uint8]


def from_floats(images: "np.ndarray") -> Images:
    """[n, channels, height, width] in [0, 1] to uint8 [n, height, width, channels], rounded."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be [n, 1 or 3, height, width], not {images.shape}")
    return np.rint(images.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def to_pil(image: Images) -> Image.Image:
    """One image [height, width, channels] as a Pillow image."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def stack(images: list[Images]) -> Images:
    """Images [height, width, channels] as one array [n, height, width, channels]."""
    return np.stack(images)


def columns_for(count: int) -> int:
    """The number of columns that makes a sprite of `count` images about square."""
    return math.ceil(math.sqrt(count))


def sprite(images: Images, columns: int | None = None, gap: int = 0) -> Image.Image:
    """All images in one picture, `gap` black pixels between them."""
    count, height, width, channels = images.shape
    columns = columns or columns_for(count)
    rows = math.ceil(count / columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    picture = np.zeros(shape, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        picture[top : top + height, left : left + width] = image
    return to_pil(picture)


def split(picture: Image.Image, height: int, width: int) -> Images:
    """The images of a sprite without gaps: uint8 [n, height, width, channels]."""
    pixels = np.asarray(picture)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    rows, columns = pixels.shape[0] // height, pixels.shape[1] // width
    tiles = pixels.reshape(rows, height, columns, width, -1).swapaxes(1, 2)
    return tiles.reshape(rows * columns, height, width, -1)


def enlarge(picture: Image.Image, factor: int) -> Image.Image:
    """Each pixel as a square of `factor` pixels, so that small pictures stay crisp."""
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )


def png(picture: Image.Image, compress_level: int = 6) -> bytes:
    """`compress_level` 1 takes less than half the time of 6, and a sixth more bytes."""
    return _encode(picture, "PNG", compress_level=compress_level)


def webp(picture: Image.Image) -> bytes:
    """Lossless for grey, quality 90 for colour."""
    if picture.mode == "L":
        return _encode(picture, "WEBP", lossless=True)
    return _encode(picture, "WEBP", quality=90)


def webp_within(picture: Image.Image, most: int) -> bytes:
    """As `webp`; colour in at most `most` bytes, at a lower quality if need be."""
    content = webp(picture)
    for quality in (75, 60, 45, 30, 15):
        if len(content) <= most or picture.mode == "L":
            break
        content = _encode(picture, "WEBP", quality=quality)
    return content


def gif(frames: list[Image.Image], seconds_per_frame: float) -> bytes:
    """An endless animation."""
    # One palette for all frames, so that colours do not flicker from frame to frame.
    if frames[0].mode != "L":
        strip = Image.new("RGB", (frames[0].width, frames[0].height * len(frames)))
        for index, frame in enumerate(frames):
            strip.paste(frame, (0, index * frame.height))
        palette = strip.quantize(256)
        frames = [frame.quantize(palette=palette) for frame in frames]
    return _encode(
        frames[0],
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(seconds_per_frame * 1000),
        loop=0,
    )


def data_url(picture: Image.Image, kind: Literal["png", "webp"] = "png") -> str:
    """A picture as an address that needs no further request; WebP is smaller."""
    return content_url(png(picture) if kind == "png" else webp(picture), kind)


def content_url(content: bytes, kind: Literal["png", "webp"]) -> str:
    """The bytes of a picture file as an address."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def _encode(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
