"""Who may let this machine work: train and measure. Anyone may look."""

from typing import Literal

import streamlit as st

from genmodels.errors import GenmodelsError
from genmodels.jobs import limits

from . import visitor
from .shell import sentence


def may_compute() -> bool:
    """Whether this person may start work; says why not, or asks for the passcode."""
    if not why_not():
        return True
    if limits.permission() == "off":
        st.info(
            "Training and measuring are switched off on this server. On your own machine start "
            "the app by `make app`, or set `GENMODELS_TRAINING=open`.",
            icon=":material/lock:",
        )
    else:
        _ask("Passcode", "class")
    return False


def why_not() -> str:
    """Why this person may not start work, for what is grey then; empty where they may."""
    permission = limits.permission()
    if permission == "off":
        return "Training and measuring are switched off on this server."
    if permission == "open" or limits.signed_in(visitor.key()):
        return ""
    return "Enter the passcode at the top of the page first."


def is_teacher() -> bool:
    """Whether this person gave the teacher's passcode."""
    return limits.has_teacher() and limits.signed_in(visitor.key()) == "teacher"


def ask_teacher() -> None:
    """A place for the teacher's passcode, where there is one."""
    if not limits.has_teacher():
        return
    with st.popover("Teacher", icon=":material/school:"):
        if not is_teacher():
            _ask("Teacher's passcode", "teacher")
            return
        st.markdown(
            "You control all trainings. You stay signed in if you reload the page: sign out before "
            "somebody else uses this browser."
        )
        st.button("Sign out", on_click=limits.sign_out, args=(visitor.key(),))


def _ask(label: str, role: Literal["class", "teacher"]) -> None:
    """A field for a passcode; who gives the right one is signed in."""
    key = f"{role}-passcode"
    passcode = st.text_input(label, type="password", key=key)
    tried = f"{key}-tried"
    if not passcode:
        return
    if st.session_state.get(tried) != passcode:  # Not again at every rerun.
        try:
            with st.spinner("Checking the passcode"):
                right = limits.sign_in(visitor.key(), passcode, role)
        except GenmodelsError as error:
            st.error(sentence(error))
            return
        if right:
            st.rerun()
        st.session_state[tried] = passcode
    st.error("Wrong passcode. Ask your teacher.")
