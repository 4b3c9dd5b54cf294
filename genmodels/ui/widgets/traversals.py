"""The numbers of a latent as sliders."""

from collections.abc import Callable, Sequence
from typing import TypedDict

import streamlit as st
from PIL import Image

from ... import pictures
from . import widget

_traversals = widget("traversals")


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
