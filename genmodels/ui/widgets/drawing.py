"""A canvas to draw on."""

from typing import Any

import streamlit as st

from . import nothing, widget

_drawing = widget("drawing")


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
    result = _drawing(key=key, data=data, default={"strokes": kept}, on_strokes_change=nothing)
    st.session_state[memory] = result.get("strokes", kept)
    return st.session_state[memory]
