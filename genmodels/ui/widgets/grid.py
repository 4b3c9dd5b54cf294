"""A grid of pictures to choose from."""

from typing import Any

import streamlit as st
from PIL import Image

from . import nothing, widget
from .frames import frames

_picture_grid = widget("grid")


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
    pick = _picture_grid(key=key, data=data, on_pick_change=nothing).get("pick")
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
    return frames(sprite, count, height, width) | {
        "label": label,
        "selected": selected,
        "turn": turn,
        "tile": tile,
    }
