"""The numbers of a latent one by one: what each carries, and the pictures as it changes."""

import csv
import io
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .. import latent, pictures, posteriors, weights
from ..evaluation import cache
from ..runs import Run
from . import work
from .widgets.traversals import Traversal

FRAMES = 21
"""Pictures in a row; the component shows every second one in its strip."""
AT_ONCE = 4
"""Rows decoded together."""
DEAD = 0.01
"""Nats of KL below which a dimension is dead."""
COMPARED = 32
"""Latents over which the picture's change is averaged, where that is quickly done ..."""
DECODED = 1600
"""... within so many pictures; with DCGAN this takes two idle cores about six seconds."""
SEED = 0


class Carried(NamedTuple):
    """What the numbers of a latent carry, each [latent_dim]."""

    values: Tensor
    dead: Tensor
    quantity: str
    explanation: str

    @property
    def order(self) -> list[int]:
        """The dimensions, the one that carries most first."""
        return self.values.argsort(descending=True, stable=True).tolist()

    def in_words(self, dimension: int) -> str:
        value = float(self.values[dimension])
        if self.dead[dimension]:
            return f"{value:.3f} nats, dead"
        if self.quantity == "kl":
            return f"{value:.2f} nats, {value / float(self.values.sum() or 1):.0%} of the KL"
        return f"changes the picture by {value:.3f}"


def name_of(dimension: int) -> str:
    """As in formulas, where the first number is z1."""
    return f"z{dimension + 1}"


def carried(run: Run, model: Any) -> Carried | None:
    """The KL of each dimension where the run has recorded it, else how it changes the picture:
    None until that is measured."""
    kl = posteriors.kept(run).get("kl")
    if kl is not None:
        values = torch.tensor(kl)
        words = (
            "The KL of a dimension is what the posterior says in it beyond the prior: the mean "
            "over the training images."
        )
        return Carried(values, values < DEAD, "kl", words)
    count = max(2, min(COMPARED, DECODED // (2 * model.latent_dim)))
    words = (
        "How far a pixel (0 to 1) moves when only this number walks from the value below which "
        "the prior draws it once in ten times to the one above which it does: "
        f"the root mean square, the mean over {count} latents of the prior."
    )
    if "encoder" in run.parameters:
        words = f"This run has not recorded the KL of each dimension. {words}"
    values = _picture_change(run, model, count)
    if values is None:
        return None
    return Carried(values, torch.zeros(len(values), dtype=torch.bool), "change", words)


def _picture_change(run: Run, model: Any, count: int) -> Tensor | None:
    """`latent.picture_change`, from the cache where it is there; None until it is."""
    fingerprint = weights.fingerprint(run)
    key = f"change 2, {count} of seed {SEED}, {fingerprint}"

    def do(progress: work.Progress) -> Tensor:
        cached = cache.read(key)  # Another visitor may have had it measured meanwhile.
        if cached is None:
            cache.check_writable()
            progress("Moving each dimension", 0, model.latent_dim)
            latents = model.sample_latents(count, SEED)
            cached = {"change": latent.picture_change(model, latents, progress)}
            cache.write(key, cached)
        return cached["change"]

    cached = cache.read(key)
    if cached is not None:
        return cached["change"]
    return work.run("dimensions", key, f"What the dimensions of {run.id} carry", do)


class Row(NamedTuple):
    """The frames of one dimension, uint8 [FRAMES, height, width, channels], their address, and the
    values that the dimension has in them."""

    frames: pictures.Images
    strip: str
    values: list[float]


def rows(run: Run, model: Any, start: Tensor, dimensions: list[int]) -> list[Row]:
    """For each of some dimensions what a latent [latent_dim] decodes to as this number changes."""
    fingerprint = weights.fingerprint(run)
    numbers = tuple(start.tolist())
    made = []
    for first in range(0, len(dimensions), AT_ONCE):
        made += _rows(model, fingerprint, numbers, tuple(dimensions[first : first + AT_ONCE]))
    return made


@st.cache_data(max_entries=128, show_spinner=False)
def _rows(
    _model: Any, fingerprint: str, numbers: tuple[float, ...], dimensions: tuple[int, ...]
) -> list[Row]:
    start, values = torch.tensor(numbers), latent.quantiles(_model, FRAMES).T[list(dimensions)]
    walks = [latent.traversal(start, *walk) for walk in zip(dimensions, values, strict=True)]
    with torch.inference_mode():
        images = pictures.from_floats(_model.decode(torch.cat(walks)).cpu().numpy())
    made = []
    for place, row in enumerate(values.tolist()):
        frames = images[place * FRAMES : (place + 1) * FRAMES]
        strip = pictures.data_url(pictures.sprite(frames, FRAMES), "webp")
        made.append(Row(frames, strip, row))
    return made


def traversal(row: Row, start: Tensor, dimension: int, what: Carried) -> Traversal:
    """A row for the component; its handle stands where the latent is."""
    return {
        "dimension": dimension,
        "name": name_of(dimension),
        "carries": what.in_words(dimension),
        "dead": bool(what.dead[dimension]),
        "strip": row.strip,
        "values": row.values,
        "position": float(np.interp(start[dimension], row.values, range(FRAMES))),
    }


def note(what: Carried) -> str:
    """What is to be said of the dead dimensions; nothing where there are none."""
    count = int(what.dead.sum())
    if not count:
        return ""
    are, they, their = ("is", "it", "its") if count == 1 else ("are", "them", "their")
    return (
        f"{count} dimension{'' if count == 1 else 's'} {are} dead: the decoder ignores {they}, "
        f"{their} posterior is the prior."
    )


def sheet(made: list[Row], dimensions: list[int]) -> Image.Image:
    """Every second frame of all rows, one below the other, with their names."""
    factor = max(1, 64 // made[0].frames.shape[1])
    shown = [row.frames[::2] for row in made]
    strips = [pictures.enlarge(pictures.sprite(few, len(few)), factor) for few in shown]
    margin, height = 48, strips[0].height
    whole = Image.new(strips[0].mode, (margin + strips[0].width, height * len(strips)), "white")
    pen = ImageDraw.Draw(whole)
    for index, (strip, dimension) in enumerate(zip(strips, dimensions, strict=True)):
        whole.paste(strip, (margin, index * height))
        middle = index * height + height // 2
        font = ImageFont.load_default(16)
        pen.text((margin - 8, middle), name_of(dimension), "black", font, anchor="rm")
    return whole


def film(row: Row) -> bytes:
    """One row there and back as GIF."""
    factor = max(1, 192 // row.frames.shape[1])
    frames = [pictures.enlarge(pictures.to_pil(frame), factor) for frame in row.frames]
    return pictures.gif(frames + frames[-2:0:-1], 0.08)


def table(start: Tensor, what: Carried) -> bytes:
    """The latent and what its numbers carry as CSV, the one that carries most first."""
    text = io.StringIO()
    writer = csv.writer(text)
    unit = "kl_nats" if what.quantity == "kl" else "picture_change"
    writer.writerow(["dimension", "value", unit])
    for dimension in what.order:
        value, carries = float(start[dimension]), float(what.values[dimension])
        writer.writerow([name_of(dimension), f"{value:.6g}", f"{carries:.6g}"])
    return text.getvalue().encode()
