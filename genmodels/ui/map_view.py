"""What the Map page shows: a plane of the latent space decoded, its points, t-SNE."""

import contextlib
import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import streamlit as st
import torch
from torch import Tensor

from .. import folders, latent, pictures, runs, tsne, weights
from ..latent import FARTHEST, LatentError, Plane
from ..posteriors import Stored
from ..runs import Run
from . import shared, shell, work
from .widgets.map import Sheet, Space

SIDE = 20
"""Decoded places on each side of the map."""
SHOWN = 400
"""So many of the posterior means become points with a picture."""
LARGEST = 500_000
"""Bytes of the places' pictures, and of the points'; base64 makes a third more of them."""
BATCH = 50
BEYOND = 4
"""Sliders for directions beyond the plane."""
FAR = 3
"""Standard deviations of the posterior means to which they lead."""
LEAST = 3
"""Fewer posterior means span no plane."""


def _nobody(what: str, done: int, total: int) -> None:
    """Where nobody watches the progress."""


@dataclass(frozen=True)
class Map:
    """A plane of the latent space, ready for `widgets.map.latent_map`."""

    plane: Plane
    left: float
    bottom: float
    size: float
    """The map is square: this is its width and its height."""
    tiles: Sheet
    points: list[tuple[float, float, int]]
    """Where the shown posterior means fall, with their labels."""
    numbers: list[int]
    """Which posterior means these are."""
    thumbnails: Sheet | None
    share: float
    """Of the variance of the posterior means, how much the plane holds."""
    beyond: Tensor
    """Directions that lead out of the plane, each as far as the sliders go: [n, latent_dim]."""
    names: list[str]

    @property
    def space(self) -> Space:
        """The plane and the directions, for browsers that decode."""
        return {
            "origin": self.plane.origin.tolist(),
            "axes": self.plane.axes.tolist(),
            "beyond": self.beyond.tolist(),
            "names": self.names,
        }


_made: dict[Any, Map] = {}
"""The last maps of all sessions, by the weights and what spans the plane."""


def of_posteriors(run: Run, model: Any, stored: Stored) -> Map | None:
    """The map of the plane in which the posterior means vary most; None until it is made."""
    key = weights.fingerprint(run), _digest(stored)
    about = f"Decoding the map of {run.id}"
    return work.run_once(
        _made, "map", key, about, partial(principal_map, model, stored.means, stored.labels)
    )


def _digest(stored: Stored) -> str:
    """Tells posterior means from others."""
    content = stored.means.numpy().tobytes() + bytes(str(stored.labels), "ascii")
    return hashlib.sha256(content).hexdigest()


def principal_map(
    model: Any, means: Tensor, labels: list[int], progress: work.Progress = _nobody
) -> Map:
    """As `of_posteriors`, of posterior means [n, latent_dim] and their labels, at once."""
    plane = latent.principal_plane(means)
    # A data set may be stored class by class.
    numbers = torch.linspace(0, len(means) - 1, min(SHOWN, len(means))).long()
    places = plane.points(means[numbers])
    low, high = places.amin(0), places.amax(0)
    # The prior's own scale, where the means have fallen together.
    size = max(2.0, 1.08 * float((high - low).max()))
    left, bottom = ((low + high - size) / 2).tolist()
    classes = [labels[number] for number in numbers]
    components, deviations = latent.principal_components(means)
    beyond = (FAR * deviations[:, None] * components)[2 : 2 + BEYOND]
    return Map(
        plane,
        left,
        bottom,
        size,
        sheet_of(decode(model, plane.latents(centres(left, bottom, size)), progress, "Places")),
        [(x, y, label) for (x, y), label in zip(_rounded(places), classes, strict=True)],
        numbers.tolist(),
        sheet_of(decode(model, means[numbers], progress, "Points")),
        latent.held_variance(plane, means),
        beyond,
        [f"Component {3 + number}" for number in range(len(beyond))],
    )


def through_seeds(run: Run, model: Any, seeds: tuple[int, int, int]) -> Map | None:
    """The map of the plane through three latents of the prior; None until it is made. Raises
    LatentError."""
    if len(set(seeds)) < 3:
        raise LatentError("equal seeds span no plane; give A, B and C different ones.")
    key, about = (weights.fingerprint(run), seeds), f"Decoding the map of {run.id}"
    return work.run_once(_made, "map", key, about, partial(seeds_map, model, seeds))


def seeds_map(model: Any, seeds: tuple[int, int, int], progress: work.Progress = _nobody) -> Map:
    """As `through_seeds`, at once."""
    plane = latent.plane_through(*(model.sample_latents(1, seed)[0] for seed in seeds))
    area = -0.5, -0.5, 2.0
    sheet = sheet_of(decode(model, plane.latents(centres(*area)), progress, "Places"))
    others = [seed for seed in range(3 + BEYOND) if seed not in seeds][:BEYOND]
    beyond = torch.cat([model.sample_latents(1, seed) for seed in others])
    names = [f"Seed {seed}" for seed in others]
    return Map(plane, *area, sheet, [], [], None, 1.0, beyond, names)


def centres(left: float, bottom: float, size: float) -> Tensor:
    """The middles of the tiles [SIDE², 2], row after row from the top."""
    steps = (torch.arange(SIDE) + 0.5) * size / SIDE
    y, x = torch.meshgrid(bottom + steps.flip(0), left + steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


@torch.inference_mode()
def decode(
    model: Any, latents: Tensor, progress: work.Progress = _nobody, what: str = ""
) -> pictures.Images:
    """Latents [n, latent_dim] as uint8 [n, height, width, channels]."""
    parts = []
    for part in latents.split(BATCH):
        progress(what, sum(map(len, parts)), len(latents))
        parts.append(model.decode(part))
    return shared.as_pictures(torch.cat(parts))


def sheet_of(images: pictures.Images) -> Sheet:
    content = pictures.webp_within(pictures.sprite(images), LARGEST)
    return {
        "url": pictures.content_url(content, "webp"),
        "columns": pictures.columns_for(len(images)),
        "height": images.shape[1],
        "width": images.shape[2],
    }


def _rounded(places: Tensor) -> list[list[float]]:
    return [[round(x, 4), round(y, 4)] for x, y in places.tolist()]


def background(model: Any, shown: Map) -> bytes:
    """The decoded places as one PNG."""
    places = centres(shown.left, shown.bottom, shown.size)
    return pictures.png(pictures.sprite(decode(model, shown.plane.latents(places)), SIDE))


class Place(NamedTuple):
    """What was chosen on a map."""

    numbers: list[float]
    """x and y; and n for the n-th posterior mean."""
    offsets: list[float]
    """Along the directions beyond the plane, from -1 to 1; empty where they are all 0."""


def place_of(text: str) -> Place | None:
    """A place of "x,y" or "x,y,n", and ";" with the offsets behind; None for anything else."""
    parts = text.split(";")
    try:
        numbers, *offsets = [[float(number) for number in part.split(",")] for part in parts]
    except ValueError:
        return None
    sensible = len(numbers) in (2, 3) and all(abs(number) <= FARTHEST for number in numbers[:2])
    if len(numbers) == 3:
        sensible = sensible and numbers[2].is_integer() and numbers[2] >= 0
    sensible = sensible and len(offsets) <= 1
    sensible = sensible and all(abs(offset) <= 1 for part in offsets for offset in part)
    return Place(numbers, offsets[0] if offsets else []) if sensible else None


def text_of(shown: Map, numbers: Iterable[float], offsets: list[float]) -> str:
    """What `place_of` reads, of what the map in the browser reports: x, y and, for a point, its
    place among those shown; and the offsets."""
    x, y, *point = numbers
    text = ",".join([f"{x:.4g}", f"{y:.4g}", *(str(shown.numbers[int(n)]) for n in point)])
    return f"{text};{','.join(f'{offset:.4g}' for offset in offsets)}" if any(offsets) else text


def latent_at(shown: Map, text: str, stored: Stored | None) -> tuple[Tensor, str]:
    """The latent [latent_dim] at a place, and what it is. Raises LatentError."""
    place = place_of(text)
    if place is None or len(place.offsets) not in (0, len(shown.beyond)):
        raise LatentError("the address names no place of this map; click one.")
    if len(place.numbers) == 2:
        x, y = place.numbers
        chosen = shown.plane.latents(torch.tensor([[x, y]]))[0]
        if place.offsets:
            chosen = chosen + torch.tensor(place.offsets) @ shown.beyond
        beyond = ", beyond the plane" if place.offsets else ""
        return chosen, f"Chosen place: {x:.3g}, {y:.3g}{beyond}"
    number = int(place.numbers[2])
    if stored is None or number >= len(stored.means):
        raise LatentError("the address names a point that this map has not; click one.")
    return stored.means[number], f"Chosen point: {stored.classes[stored.labels[number]]}"


def points_csv(points: Tensor, stored: Stored) -> bytes:
    """Points [n, 2] and the classes of the posterior means they stand for."""
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow(["x", "y", "class"])
    for (x, y), label in zip(points.tolist(), stored.labels, strict=True):
        name = stored.classes[label]
        # A spreadsheet would compute a cell that begins so.
        risky = name.startswith(("=", "+", "-", "@", "\t", "\r"))
        lines.writerow([f"{x:.6g}", f"{y:.6g}", f"'{name}" if risky else name])
    return file.getvalue().encode()


def compute_tsne() -> None:
    """Begins t-SNE of the chosen model, into the cache. A callback, which asks what is chosen now:
    a press may come before the page has been drawn down to the button."""
    run = runs.find(st.session_state["model"])

    def do(progress: work.Progress) -> None:
        folders.check_writable(folders.cache())
        if tsne.read(run) is None:  # Another visitor may have had it computed meanwhile.
            with contextlib.closing(tsne.steps(run)) as steps:
                progress("Iteration", 0, tsne.ITERATIONS)
                for done in steps:
                    progress("Iteration", done, tsne.ITERATIONS)

    work.start("tsne", f"t-SNE of {run.id}", do, key=run.id)


def is_computing_tsne(run: Run) -> bool:
    """Whether this visitor's t-SNE of a run is under way. Shows it, or how it failed."""
    task = work.find("tsne")
    if task is None or task.key != run.id:
        return False
    if not work.watch(task):
        return True
    with shell.mistakes_in_place():
        task.result()
    return False
