"""A guided tour: one sentence or two on each of some pages, from one to the next."""

import streamlit as st

from . import components
from .shell import page as file_of

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
"""In the session: the number of the stop, while the tour is on."""


def invite() -> None:
    """On the first page: asks who has not been asked before."""
    if components.tour_invitation(INVITATION):
        st.session_state[STOP] = 0
        st.switch_page(file_of(STOPS[0][0]))


def show(page: str) -> None:
    """What the tour says of a page, while it is on; elsewhere the way back to it."""
    if STOP not in st.session_state:
        return
    names = [name for name, _ in STOPS]
    at = names.index(page) if page in names else st.session_state[STOP]
    st.session_state[STOP] = at
    last = at == len(STOPS) - 1
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        words = STOPS[at][1] if page in names else "The tour goes on where you left it."
        st.markdown(f"**{at + 1} of {len(STOPS)}.** {words}", width="stretch")
        if page not in names and st.button("Go on", key="tour-next", type="primary"):
            st.switch_page(file_of(names[at]))
        if page in names and not last and st.button("Next", key="tour-next", type="primary"):
            st.switch_page(file_of(names[at + 1]))
        st.button(
            "End of the tour" if last else "Leave the tour",
            key="tour-end",
            on_click=st.session_state.pop,
            args=(STOP, None),
        )
