"""A task for the class, and the link with it."""

from collections.abc import Callable

import streamlit as st

from . import nothing, widget

# Not isolated: a browser copies no selection out of a shadow root.
_link = widget("link", isolate_styles=False)


def link_maker(address: Callable[[str, str], str], longest: int, key: str) -> str:
    """A field for a task of at most `longest` letters, and the link that `address` makes of it and
    of the places of the page's handles, to be copied; the link, empty until the browser has said
    where they are. It follows the field while somebody types."""
    said = st.session_state.get(key) or {}
    task = said["task"][:longest] if isinstance(said.get("task"), str) else ""
    look = said.get("look")
    link = address(task, look) if isinstance(look, str) else ""
    data = {"link": link, "task": task, "longest": longest}
    _link(key=key, data=data, on_task_change=nothing, on_look_change=nothing)
    return link
