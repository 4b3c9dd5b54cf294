"""Pictures that people bring or draw, made into what a model takes.

What comes in is not to be trusted. Images are float32 [channels, height, width] in [0, 1].
Nothing here imports torch, but for `fitted`, which prepares a picture as training does.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from . import own_pictures
from .errors import GenmodelsError
from .own_pictures import MB

Floats = NDArray[np.float32]

BYTES = 20 * MB
CANVAS = 280
"""Height and width of a drawing."""
PEN = 24
"""Width of the pen on it: between two and three of MNIST's pixels."""
STROKES, POINTS = 500, 20_000
"""The most in a drawing."""
FIELD, BOX, CENTRE = 28, 20, 14
"""MNIST's pictures, the box that holds the digit, and the pixel its centre of mass is in."""
FAINT = 0.1
"""Less than this at its brightest is no ink."""
PHOTO = 560
"""The longer side at which ink is looked for in a photo."""
WIDEST = 0.3
"""The widest stroke, as a part of the picture's shorter side."""
PALE = 0.1
"""What is paler than this part of the ink is none."""
SPECK = 0.05
"""What has less than this part of the largest stroke's ink is none."""
LEAST_INK = 0.001
"""Of the picture's area: what has less ink is grain or dirt, not a digit."""


class InputError(GenmodelsError):
    """A picture that cannot be shown to a model."""


def read(content: bytes) -> Image.Image:
    """An uploaded picture, upright and on white. Raises InputError.

    What it is, its content says: not its name.
    """
    if len(content) > BYTES:
        raise InputError(
            f"the picture has {len(content) / MB:,.0f} MB, and {BYTES // MB} are allowed; "
            "make it smaller."
        )
    try:
        return own_pictures.open_picture(content, PHOTO)
    except own_pictures.UnfitPicture as error:
        raise InputError(str(error)) from error


def fitted(picture: Image.Image, shape: tuple[int, int, int]) -> Floats:
    """A picture as training would see it: resized and cropped to its middle."""
    return _floats(own_pictures.fitted(picture, shape))


def drawn(strokes: Any) -> Floats:
    """What the drawing component reports, as ink: float32 [280, 280] in [0, 1].

    `strokes` are lists of points [x, y] from 0 to 1. Raises InputError for anything else.
    """
    try:
        lines = [np.asarray(stroke, np.float64) for stroke in strokes]
        count = sum(len(line) for line in lines)
        shapes = all(line.ndim == 2 and line.shape[1] == 2 for line in lines)
        if not shapes or not all((abs(line) <= 2).all() for line in lines):
            raise ValueError("points that are none")
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError("this is no drawing; clear it and draw again.") from error
    if len(lines) > STROKES or count > POINTS:
        raise InputError("the drawing has too many strokes; clear it and draw again.")
    # Four times as large and then smaller, for soft edges.
    scale = 4
    picture = Image.new("L", (CANVAS * scale, CANVAS * scale))
    pen = ImageDraw.Draw(picture)
    for line in lines:
        points = [(x, y) for x, y in line * CANVAS * scale]
        pen.line(points, fill=255, width=PEN * scale)
        for x, y in points:
            pen.circle((x, y), PEN * scale / 2, fill=255)
    return _floats(picture.reduce(scale))


def digit(picture: Image.Image) -> Floats:
    """The digit in a photo or scan, as MNIST's pictures were made: float32 [1, 28, 28].

    Raises InputError where there is none.
    """
    found = ink(picture)
    if found.max() < FAINT:
        raise InputError(
            "no drawing was found in this picture: nothing in it stands out like strokes of a pen. "
            "Take a photo of one digit, close up, dark on plain paper or light on a board. For "
            "photographs, choose a model of Imagenette."
        )
    return like_mnist(found)


def ink(picture: Image.Image) -> Floats:
    """Where a picture has ink, float32 [height, width] in [0, 1]: of bright strokes on dark ground
    or dark ones on bright paper, wherever a desk, a shadow or printed lines are beside them."""
    from scipy import ndimage  # Takes a while, and few pages need it.

    picture = picture.convert("L")
    picture.thumbnail((PHOTO, PHOTO))
    if min(picture.size) >= FIELD * 4:  # Else a stroke would be no wider than the filter.
        picture = picture.filter(ImageFilter.MedianFilter(3))
    grey = _floats(picture)
    widest = max(3, round(min(grey.shape) * WIDEST))
    # What is bright and wider than a stroke is paper, be it on a dark desk.
    if not ndimage.grey_opening(grey > (grey.min() + grey.max()) / 2, widest).any():
        grey = 1 - grey
    # What the paper would be without ink: a closing fills all dark that is narrow, and leaves a
    # desk or a shadow as they are (Serra 1982). Relative to it the light doesn't matter.
    paper = ndimage.grey_closing(grey, widest, mode="nearest")
    raised = (1 - grey / paper.clip(0.05)).astype(np.float32)
    # The closing goes along the brightest grains: most of the picture is a little below it.
    raised = _digit((raised - np.median(raised)).clip(0))
    if raised.max() < FAINT:
        return np.zeros_like(grey)
    strong = raised[raised > raised.max() / 2]  # MNIST's ink is white all through.
    full = np.percentile(strong, 30)
    # Grain, and what printed lines leave beside a stroke, are paler than the pen.
    return ((raised / full - PALE) / (1 - PALE)).clip(0, 1)


def _digit(raised: Floats) -> Floats:
    """The strokes alone: without what reaches the picture's edge, and without specks."""
    from scipy import ndimage

    parts = np.zeros(raised.shape, np.int32)
    ndimage.label(raised > raised.max() / 2, np.ones((3, 3)), parts)
    sizes = np.bincount(parts.ravel(), raised.ravel())
    sizes[0] = 0
    inside = sizes.copy()
    inside[np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])] = 0
    least = LEAST_INK * raised.size
    if inside.max() > least:
        sizes = inside
    if sizes.max() <= least:
        return np.zeros_like(raised)
    kept = ndimage.binary_dilation((sizes > sizes.max() * SPECK)[parts], iterations=2)
    return np.where(kept, raised, 0)


def like_mnist(grey: Floats) -> Floats:
    """Ink [height, width] in [0, 1] as MNIST's pictures were made: float32 [1, 28, 28].

    The ink's bounding box is scaled into 20x20, its aspect ratio kept, with anti-aliasing, and
    placed so that the centre of mass is in the middle (LeCun et al. 1998, section III.A, and
    the MNIST database's page). Raises InputError where there is no digit.
    """
    if grey.max() < FAINT:
        raise InputError("the canvas is empty; draw a digit, or upload a photo of one.")
    if (grey > 0.5).mean() > 0.8:
        raise InputError("this is nothing but ink; draw a digit that leaves some ground.")
    rows, columns = (np.flatnonzero((grey > 0.02).any(axis)) for axis in (1, 0))
    digit = Image.fromarray(grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    factor = BOX / max(digit.size)
    width, height = (max(1, round(side * factor)) for side in digit.size)
    # Enlarged digits would overshoot with a sharper filter.
    small = np.asarray(digit.resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    weights = small / small.sum()
    centre = [weights.sum(1) @ np.arange(height), weights.sum(0) @ np.arange(width)]
    top, left = (
        min(max(0, CENTRE - math.floor(where + 0.5)), FIELD - side)
        for where, side in zip(centre, (height, width), strict=True)
    )
    field = np.zeros((1, FIELD, FIELD), np.float32)
    field[0, top : top + height, left : left + width] = small
    return field


def _floats(pixels: Any) -> Floats:
    """uint8 as float32 in [0, 1]."""
    return np.divide(pixels, 255, dtype=np.float32)
