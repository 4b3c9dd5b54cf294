"""A guided tour: one sentence or two on each of some pages, from one to the next."""

import streamlit as st

from . import address
from .shell import page as file_of
from .widgets.tour import tour_invitation

STOPS = (
    ("sample", "A trained model draws **new** pictures from random numbers. Change the seed."),
    (
        "interpolate",
        "Between two pictures lie others. **Drag the slider** from A to B and watch what changes.",
    ),
    ("map", "Every place on this map is a picture. **Move the pointer** over it."),
    ("picture", "**Draw a digit.** The model says what it would make of it."),
    ("curves", "How it learnt: **drag the slider** and see the same pictures come out of noise."),
    ("train", "Now it is your turn: press **Train it** on one of the cards, and watch."),
)
INVITATION = "New here? A tour of six pages takes two minutes."
STOP = "tour"
"""In the address and the session: the number of the stop, from 0, while the tour is on."""


def invite() -> None:
    """On the first page: asks who has not been asked before."""
    with st.container(horizontal=True, vertical_alignment="center"):
        tour_invitation(INVITATION)
        _link("Take the tour", 0)


def show(page: str) -> None:
    """What the tour says of a page, while it is on; elsewhere the way back to it."""
    names = [name for name, _ in STOPS]
    asked = st.query_params.get(STOP, "")
    if asked in map(str, range(len(STOPS))):
        st.session_state.setdefault(STOP, int(asked))
    else:
        address.refuse(STOP)
    if STOP not in st.session_state:
        return
    at = names.index(page) if page in names else st.session_state[STOP]
    st.session_state[STOP] = at
    if asked != str(at):  # For a reload.
        st.query_params[STOP] = str(at)
    last = at == len(STOPS) - 1
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        words = STOPS[at][1] if page in names else "The tour goes on where you left it."
        st.markdown(f"**{at + 1} of {len(STOPS)}.** {words}", width="stretch")
        if page not in names:
            _link("**Go on**", at)
        elif not last:
            _link("**Next**", at + 1)
        st.button(
            "End of the tour" if last else "Leave the tour",
            key="tour-end",
            on_click=_leave,
        )


def _link(label: str, stop: int) -> None:
    # A link, as everywhere: `st.switch_page` raises while the address holds what a widget is bound
    # to, and spoils the way back.
    page = file_of(STOPS[stop][0])
    icon = ":material/arrow_forward:"
    st.page_link(page, label=label, icon=icon, width="content", query_params={STOP: str(stop)})


def _leave() -> None:
    st.session_state.pop(STOP, None)
    st.query_params.pop(STOP, None)
