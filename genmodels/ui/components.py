"""What Streamlit's own widgets cannot do: pictures that change while a handle is dragged, a grid
of pictures to choose from, a canvas to draw on, the numbers of a latent as sliders, a map of
pictures under the pointer, learning curves with the samples of each moment below them, lessons,
and a GAN and a VAE that learn points in the browser.

Each is a component of `st.components.v2`; its JavaScript and CSS are in widgets/.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

import plotly.graph_objects as go
import streamlit as st
from PIL import Image
from streamlit.components.v2 import component

from .. import pictures
from ..figures import CLASS_COLOURS
from . import routes

FOLDER = Path(__file__).with_name("widgets")


class CurvesRun(TypedDict):
    """One run below the curves: `stops` are [images seen, epoch, address of the picture]."""

    id: str
    title: str
    shape: Sequence[int]
    stops: Sequence[Sequence[int | float | str]]


class Way(TypedDict):
    """A way between two latents, as `latent.between` takes it."""

    start: list[float]
    end: list[float]
    path: str


class Space(TypedDict):
    """A plane of the latent space, and named directions that lead out of it: latents."""

    origin: list[float]
    axes: list[list[float]]
    beyond: list[list[float]]
    names: list[str]


class Traversal(TypedDict):
    """One number of a latent: its place there (from 0), its name, and what it carries in words.

    `strip` is the address of its frames side by side, `values` what the number is in each of them,
    `position` where the handle stands between the first frame (0) and the last one.
    """

    dimension: int
    name: str
    carries: str
    dead: bool
    strip: str
    values: list[float]
    position: float


class Sheet(TypedDict):
    """Many pictures in one, row after row: `url` is the address of the whole."""

    url: str
    columns: int
    height: int
    width: int


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


PARTS = {
    "player": ["decoder.js", "latents.js"],
    "grid": [],
    "drawing": [],
    "curves": ["chart.js", "samples.js"],
    "traversals": [],
    "map": ["decoder.js", "latents.js"],
    "lesson_gan": ["decoder.js", "formulas.js", "lesson.js"],
    "lesson_vae": ["decoder.js", "formulas.js", "lesson.js"],
    "tour": [],
    "arrive": [],
    "link": [],
    "playground": ["network.js", "distributions.js", "learners.js", "scenes.js"],
}
"""Of each component, what its script is made of beside widget.js and its own file."""


def script(name: str) -> str:
    """A component's JavaScript: a module whose default export shows it."""
    return _source("widget.js", *PARTS[name], f"{name}.js")


def style(name: str) -> str:
    """A component's CSS."""
    return _source("widget.css", f"{name}.css")


def _source(*names: str) -> str:
    # Streamlit loads one script and one style sheet per component, so parts are joined here.
    return "\n".join((FOLDER / name).read_text("utf-8") for name in names)


_player = component("genmodels_player", js=script("player"), css=style("player"))
_picture_grid = component("genmodels_picture_grid", js=script("grid"), css=style("grid"))
_drawing = component("genmodels_drawing", js=script("drawing"), css=style("drawing"))
_curves = component(
    "genmodels_curves",
    js=script("curves"),
    css=style("curves"),
    # plotly.js puts its own styles into the document, where a shadow root would not see them.
    isolate_styles=False,
)
_traversals = component("genmodels_traversals", js=script("traversals"), css=style("traversals"))
_tour = component("genmodels_tour", js=script("tour"), css=style("tour"))
_arrive = component("genmodels_arrive", js=script("arrive"))
# Not isolated: a browser copies no selection out of a shadow root.
_link = component("genmodels_link", js=script("link"), css=style("link"), isolate_styles=False)
_latent_map = component("genmodels_latent_map", js=script("map"), css=style("map"))
_playground = component("genmodels_playground", js=script("playground"), css=style("playground"))
_lessons = {
    family: component(
        f"genmodels_lesson_{family}", js=script(f"lesson_{family}"), css=style("lesson")
    )
    for family in ("vae", "gan")
}


def tour_invitation(text: str) -> None:
    """Asks whether one wants the tour, unless this browser was asked before, or took it. The link
    to it (`tour=` in its address) stands beside this."""
    _tour(key="tour-invitation", data={"text": text})


def arrive(token: int, key: str) -> None:
    """A place in the page that comes into view when `token` changes."""
    _arrive(key=key, data={"token": token})


def link_maker(address: Callable[[str, str], str], longest: int, key: str) -> str:
    """A field for a task of at most `longest` letters, and the link that `address` makes of it and
    of the places of the page's handles, to be copied; the link, empty until the browser has said
    where they are. It follows the field while somebody types."""
    said = st.session_state.get(key) or {}
    task = said["task"][:longest] if isinstance(said.get("task"), str) else ""
    look = said.get("look")
    link = address(task, look) if isinstance(look, str) else ""
    data = {"link": link, "task": task, "longest": longest}
    _link(key=key, data=data, on_task_change=_nothing, on_look_change=_nothing)
    return link


def player(
    *,
    sprite: Image.Image,
    count: int,
    height: int,
    width: int,
    label: str,
    caption_start: str,
    caption_end: str,
    key: str,
    display_width: int = 320,
    start: float = 0.0,
    report: bool = False,
    group: str = "",
    way: Way | None = None,
    decoder: routes.Decoder | None = None,
) -> float:
    """`count` frames as a film: drag the slider or the picture, or press play.

    All frames travel to the browser at once, as one sprite of `pictures.sprite(images)`; the
    server hears nothing while the handle moves. With `report=True` the script runs again when
    the handle is released, and the position (0 to 1) is returned; else `start` is. Players of
    one `group` move together. With `decoder`, of `routes.decoder`, the browser decodes the very
    place of `way` under the handle as soon as it can.

        frames = pictures.from_floats(images)
        player(
            sprite=pictures.sprite(frames), count=len(frames), height=28, width=28,
            label="From a 2 to an 8", caption_start="a 2", caption_end="an 8", key="between",
        )
    """
    data = player_data(
        sprite=sprite,
        count=count,
        height=height,
        width=width,
        label=label,
        captions=(caption_start, caption_end),
        display_width=display_width,
        start=start,
        report=report,
        group=group,
        way=way,
        decoder=decoder,
    )
    if not report:
        _player(key=key, data=data)
        return start
    result = _player(key=key, data=data, default={"position": start}, on_position_change=_nothing)
    return float(result.get("position", start))


def player_data(
    *,
    sprite: Image.Image,
    count: int,
    height: int,
    width: int,
    label: str,
    captions: tuple[str, str],
    display_width: int,
    way: Way | None,
    decoder: routes.Decoder | None,
    start: float = 0.0,
    report: bool = False,
    group: str = "",
) -> dict[str, Any]:
    """What player.js shows; see `player`."""
    return _frames(sprite, count, height, width) | {
        "label": label,
        "captions": list(captions),
        "display_width": display_width,
        "start": start,
        "report": report,
        "group": group,
        "way": way,
        "decoder": decoder,
    }


def picture_grid(
    *,
    sprite: Image.Image,
    count: int,
    height: int,
    width: int,
    label: str,
    selected: int | None,
    key: str,
    tile: int = 96,
) -> int | None:
    """The pictures of a sprite as buttons; returns the index of the one that was picked.

    `selected` is picked until the user picks another one, and again whenever it changes. `tile`
    is the greatest width of a picture on the page.

        chosen = picture_grid(
            sprite=pictures.sprite(frames), count=64, height=28, width=28,
            label="Pick a picture", selected=None, key="samples",
        )
    """
    # A pick counts until `selected` changes: the browser says which turn it belongs to.
    memory = f"{key} turn"
    turn, before = st.session_state.get(memory, (0, selected))
    turn += before != selected
    st.session_state[memory] = turn, selected

    data = grid_data(
        sprite=sprite,
        count=count,
        height=height,
        width=width,
        label=label,
        tile=tile,
        selected=selected,
        turn=turn,
    )
    pick = _picture_grid(key=key, data=data, on_pick_change=_nothing).get("pick")
    if pick and pick["turn"] == turn and 0 <= pick["index"] < count:
        return pick["index"]
    return selected


def grid_data(
    *,
    sprite: Image.Image,
    count: int,
    height: int,
    width: int,
    label: str,
    tile: int,
    selected: int | None = None,
    turn: int = 0,
) -> dict[str, Any]:
    """What grid.js shows; see `picture_grid`."""
    return _frames(sprite, count, height, width) | {
        "label": label,
        "selected": selected,
        "turn": turn,
        "tile": tile,
    }


def drawing(*, label: str, size: int, pen: int, key: str) -> Any:
    """A canvas for white ink on black, `pen` of its `size` pixels wide; returns the strokes.

    They are lists of points [x, y] from 0 to 1 as the browser reports them, so not to be trusted:
    `inputs.drawn` checks them. They stay in the session while the canvas is not on the page.

        strokes = drawing(label="Draw a digit", size=280, pen=24, key="digit")
        image = inputs.like_mnist(inputs.drawn(strokes))
    """
    memory = f"{key} strokes"
    kept = st.session_state.setdefault(memory, [])
    data = {"label": label, "size": size, "pen": pen, "strokes": kept}
    result = _drawing(key=key, data=data, default={"strokes": kept}, on_strokes_change=_nothing)
    st.session_state[memory] = result.get("strokes", kept)
    return st.session_state[memory]


def curves(
    *,
    figure: go.Figure,
    runs: Sequence[CurvesRun],
    label: str,
    key: str,
    log: bool = False,
    name: str = "learning-curves",
) -> None:
    """A chart over epochs with a cursor, and below it what each run drew at that moment.

    Colours, fonts and grid that the figure leaves open follow the theme. `log` makes the
    vertical axes logarithmic. `name` is that of the files that the chart is saved as.

        urls = routes.sample_urls(run)
        stops = [[seen, seen / per_epoch, url] for seen, url in urls.items()]
        curves(
            figure=figure, label="Loss over the epochs", key="curves",
            runs=[{"id": run.id, "title": run.title, "shape": [1, 28, 28], "stops": stops}],
        )
    """
    plotly_url = routes.plotly_url()
    data = curves_data(figure=figure, runs=runs, label=label, log=log, plotly=plotly_url, name=name)
    _curves(key=key, data=data)


def curves_data(
    *,
    figure: go.Figure,
    runs: Sequence[CurvesRun],
    label: str,
    plotly: str,
    log: bool = False,
    name: str = "learning-curves",
) -> dict[str, Any]:
    """What curves.js shows; see `curves`. `plotly` is the address of plotly.js."""
    figure = go.Figure(figure)
    if log:
        figure.update_yaxes(type="log")
    plain = json.loads(str(figure.to_json()))
    plain["layout"].pop("template", None)  # the browser makes one from the theme
    return {
        "figure": plain,
        "runs": [{name: run[name] for name in ("id", "title", "shape", "stops")} for run in runs],
        "label": label,
        "log": log,
        "plotly": plotly,
        "name": name,
    }


def traversals(
    *,
    rows: Sequence[Traversal],
    latent: Sequence[float],
    picture: Image.Image,
    label: str,
    note: str,
    on_move: Callable[[list[float]], None],
    key: str,
) -> None:
    """A slider and a strip of pictures for each of some numbers of a latent, and one large picture.

    `picture` is what `latent` decodes to. In each row one number of it goes through the row's
    values, in all rows as many, and every second of these frames is to be seen in the strip. All
    of them are in the browser: the large picture changes while a handle moves, and the server
    hears nothing. On release `on_move` is called with the latent as it is then, before the script
    runs again. `note` stands above the first row that is dead.

        traversals(
            rows=[{"dimension": 6, "name": "z7", "carries": "1.2 nats", "dead": False,
                   "strip": pictures.data_url(pictures.sprite(frames, 21)),
                   "values": torch.linspace(-2, 2, 21).tolist(), "position": 10.0}],
            latent=[0.0] * 16, picture=picture, label="A latent", note="", on_move=move,
            key="rows",
        )
    """
    # The browser numbers what it says, and so knows which answer belongs to its last word.
    memory = f"{key} heard"

    def hear() -> None:
        moved = st.session_state[key]["moved"]
        st.session_state[memory] = moved["number"]
        on_move(moved["latent"])

    data = {
        "rows": [dict(row) for row in rows],
        "latent": list(latent),
        "picture": pictures.data_url(picture),
        "height": picture.height,
        "width": picture.width,
        "label": label,
        "note": note,
        "heard": st.session_state.get(memory, 0),
    }
    _traversals(key=key, data=data, on_moved_change=hear)


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
    decoder: routes.Decoder | None = None,
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
    said = _latent_map(key=key, data=data, on_place_change=_nothing).get("place")
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
    decoder: routes.Decoder | None,
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


def playground(settings: Playground, key: str) -> None:
    """A GAN, a VAE, or both, that learn points of the plane in the browser, when told to.

    Rates, loss, variance and KL weight change what goes on; the other settings begin anew.
    """
    _playground(key=key, data=dict(settings))


def lesson(*, family: str, step: str, data: dict[str, Any], key: str) -> None:
    """A step of a lesson: a figure to move by hand, and its formula with the numbers of the moment.

    `step` is a name in STEPS of widgets/lesson_vae.js or lesson_gan.js, where it says what
    `data` it takes. The server hears nothing.

        lesson(family="gan", step="losses", data={}, key="lesson-losses")
    """
    _lessons[family](key=key, data={"step": step} | data)


def _numbers(said: Any) -> list[float] | None:
    """What a browser said, if it is a list of numbers."""
    numbers = isinstance(said, list) and all(isinstance(number, int | float) for number in said)
    return said if numbers else None


def _frames(sprite: Image.Image, count: int, height: int, width: int) -> dict[str, Any]:
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


def _nothing() -> None:
    """Streamlit hands on a state only where somebody listens to it."""
