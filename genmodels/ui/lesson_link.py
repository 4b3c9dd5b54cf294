"""Lesson links: a page as it is now, a task for the class, and what is hidden, as an address."""

import urllib.parse

import streamlit as st

from . import address
from .shell import plain
from .widgets.link import link_maker

LONGEST_TASK = 300
LONGEST_LINK = 2000
"""Letters of an address that a QR code still shows to a phone across the room."""

CONTROLS = {
    "sample": {
        "model": "Model",
        "class": "Class",
        "count": "How many",
        "spread": "Spread",
        "seed": "Seed",
    },
    "interpolate": {
        "model": "Model",
        "a_from": "Where A comes from",
        "b_from": "Where B comes from",
        "path": "Path",
    },
    "reconstruct": {"model": "Model", "first": "First test image"},
    "map": {"model": "Model"},
    "dimensions": {"model": "Model", "a_from": "Where A comes from", "rows": "Rows"},
    "picture": {"model": "Model", "source": "Where the picture comes from"},
    "arithmetic": {
        "model": "Model",
        "a_from": "Where A comes from",
        "b_from": "Where B comes from",
        "c_from": "Where C comes from",
    },
    "together": {"models": "Models", "view": "View", "seed": "Seed", "path": "Path"},
    "curves": {"runs": "Runs", "quantity": "Quantity", "log": "Logarithmic"},
}
"""The controls of a page that a teacher may hide, by their keys."""


NOT_KEPT = {
    "picture": "your own picture and a search for its latent",
    "points": "points drawn by hand and what the networks have learnt so far",
    "map": "layers that are switched off, and a plane that was moved without a click",
    "train": "the title",
    "gan": "how often D and G had their turn",
}
"""What the link to a page leaves out."""


def show_task(page: str) -> None:
    """The task of the link that brought the person here, until it is done; and hides controls."""
    if "task" in st.query_params:
        st.session_state["task"] = st.query_params["task"][: LONGEST_TASK + 1]
    asked = set(filter(None, st.query_params.get("hide", "").split(".")))
    hidden = CONTROLS.get(page, {}).keys() & asked
    if asked - hidden:
        address.refuse("hide")
    if hidden:  # Streamlit gives an element's key to its class.
        # What belongs to a control stands with it in a group of its name.
        rules = ", ".join(f".st-key-{key}, .st-key-{key}_group" for key in sorted(hidden))
        st.html(f"<style>{rules} {{ display: none; }}</style>")
    task = st.session_state.get("task", "").strip()
    if not task:
        return
    if len(task) > LONGEST_TASK:
        task = task[:LONGEST_TASK] + "…"
    # Two blanks at its end break a line of Markdown.
    lines = "  \n".join(plain(line) for line in task.splitlines())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Your task.** {lines}", width="stretch")
        st.button("Done", icon=":material/check:", key="task-done", on_click=_forget)


def _forget() -> None:
    st.session_state.pop("task", None)
    st.query_params.pop("task", None)


def offer(page: str) -> None:
    """A button that makes a link to the page as it is now, for a class."""
    if st.button("Lesson link", icon=":material/qr_code_2:", key="lesson-link"):
        _compose(page, address.whole())


@st.dialog("Lesson link", width="large", icon=":material/qr_code_2:")
def _compose(page: str, query: dict[str, list[str]]) -> None:
    import segno  # Its tables take a while, and few ask for a link.

    names = CONTROLS.get(page, {})
    form, code = st.columns(2, gap="medium")
    with form:
        left_out = f" It leaves out {NOT_KEPT[page]}." if page in NOT_KEPT else ""
        st.markdown(
            "A link to this page **as it is now**, with a task, for the class to open." + left_out
        )
        hidden = []
        if names:
            hidden = st.multiselect(
                "Hide", list(names), format_func=lambda key: names[key], key="lesson-hide"
            )
        # Beside the code: below it a small screen would show the link only after scrolling.
        link = link_maker(
            lambda task, look: compose(
                st.context.url or "",
                query | ({address.LOOK: [look]} if look else {}),
                task,
                hidden,
            ),
            LONGEST_TASK,
            key="lesson-task",
        )
    with code:
        if not link:
            return
        if len(link) > LONGEST_LINK:
            st.error("This link is too long for a QR code. Shorten the task.")
            return
        drawn = segno.make(link, error="l", micro=False).svg_inline(
            scale=8, border=4, light="#fff", dark="#000"
        )
        st.image(drawn, width="stretch", alt="QR code of the link")


def compose(url: str, query: dict[str, list[str]], task: str, hidden: list[str]) -> str:
    """The address of a page with its state, and what a lesson adds to it."""
    kept = {name: value for name, value in query.items() if name not in ("task", "hide")}
    if task.strip():
        kept["task"] = [task.strip()]
    if hidden:
        kept["hide"] = [".".join(hidden)]
    encoded = urllib.parse.urlencode(kept, doseq=True)
    return urllib.parse.urlsplit(url)._replace(query=encoded).geturl()
