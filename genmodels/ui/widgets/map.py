"""A map of pictures under the pointer."""

from collections.abc import Sequence
from typing import Any, TypedDict

from ...figures import CLASS_COLOURS
from . import nothing, widget
from .decoder import Decoder

_latent_map = widget("map")


class Space(TypedDict):
    """A plane of the latent space, and named directions that lead out of it: latents."""

    origin: list[float]
    axes: list[list[float]]
    beyond: list[list[float]]
    names: list[str]


class Sheet(TypedDict):
    """Many pictures in one, row after row: `url` is the address of the whole."""

    url: str
    columns: int
    height: int
    width: int


def latent_map(
    *,
    tiles: Sheet,
    area: tuple[float, float, float],
    label: str,
    key: str,
    points: Sequence[tuple[float, float, int]] = (),
    thumbnails: Sheet | None = None,
    classes: Sequence[str] = (),
    marks: Sequence[tuple[str, float, float]] = (),
    start: Sequence[float] | None = None,
    space: Space,
    offsets: Sequence[float] = (),
    decoder: Decoder | None = None,
) -> tuple[list[float], list[float]] | None:
    """A square map: pictures of its places, and above them points with pictures of their own.

    `area` is left, bottom and size; `tiles` are as many pictures to a row as to a column, the
    first ones on top. A point is x, y and its place in `classes`; `thumbnails` are the points'
    in their order. `marks` are named places. With `decoder`, of `routes.decoder`, the browser
    decodes the places of `space` itself, and sliders move the plane along the directions beyond.

    Returns what was chosen last: [x, y], or [x, y, number of the point], and the offsets along
    the directions beyond, from -1 to 1; None until something was. `start` is marked until then,
    and `offsets` are where the sliders begin.

        chosen = latent_map(
            tiles=sheet, area=(-3, -3, 6), label="The latent space", key="map",
            marks=[("A", 0, 0)], space=space,
        )
    """
    data = map_data(
        tiles=tiles,
        area=area,
        label=label,
        points=points,
        thumbnails=thumbnails,
        classes=classes,
        marks=marks,
        start=start,
        space=space,
        offsets=offsets,
        decoder=decoder,
    )
    said = _latent_map(key=key, data=data, on_place_change=nothing).get("place")
    # The browser may say anything.
    if not isinstance(said, dict):
        return None
    place, moved = _numbers(said.get("place")), _numbers(said.get("offsets"))
    if place is None or moved is None or len(moved) != len(space["beyond"]):
        return None
    known = len(place) == 2 or (len(place) == 3 and place[2] in range(len(points)))
    return (place, moved) if known and all(abs(offset) <= 1 for offset in moved) else None


def map_data(
    *,
    tiles: Sheet,
    area: tuple[float, float, float],
    label: str,
    points: Sequence[tuple[float, float, int]],
    thumbnails: Sheet | None,
    classes: Sequence[str],
    space: Space,
    decoder: Decoder | None,
    marks: Sequence[tuple[str, float, float]] = (),
    start: Sequence[float] | None = None,
    offsets: Sequence[float] = (),
) -> dict[str, Any]:
    """What map.js shows; see `latent_map`."""
    return {
        "tiles": tiles,
        "area": area,
        "points": points,
        "thumbnails": thumbnails,
        "classes": classes,
        "colours": CLASS_COLOURS,
        "marks": marks,
        "label": label,
        "start": start,
        "space": space,
        "offsets": list(offsets),
        "decoder": decoder,
    }


def _numbers(said: Any) -> list[float] | None:
    """What a browser said, if it is a list of numbers."""
    numbers = isinstance(said, list) and all(isinstance(number, int | float) for number in said)
    return said if numbers else None
