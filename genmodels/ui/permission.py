"""Who may let this machine work: train and measure. Anyone may look."""

import streamlit as st

from ..jobs import limits


def may_compute() -> bool:
    """Whether this session may start work; says why not, or asks for the passcode."""
    permission = limits.permission()
    if permission == "off":
        st.info(
            "Training and measuring are switched off on this server. On your own machine start "
            "the app by `make app`, or set `GENMODELS_TRAINING=open`.",
            icon=":material/lock:",
        )
        return False
    if permission == "open" or st.session_state.get("permitted"):
        return True
    passcode = st.text_input("Passcode", type="password", key="passcode")
    if _accepted("permitted", passcode, limits.passcode_matches):
        st.rerun()
    return False


def why_not() -> str:
    """Why this person may not start work, for what is grey then; empty where they may."""
    permission = limits.permission()
    if permission == "off":
        return "Training and measuring are switched off on this server."
    signed_in = permission == "open" or st.session_state.get("permitted")
    return "" if signed_in else "Enter the passcode at the top of the page first."


def is_teacher() -> bool:
    """Whether the teacher's passcode was given in this session."""
    return bool(st.session_state.get("teacher"))


def ask_teacher() -> None:
    """A place for the teacher's passcode, where there is one."""
    if not limits.has_teacher() or is_teacher():
        return
    with st.popover("Teacher", icon=":material/school:"):
        passcode = st.text_input("Teacher's passcode", type="password", key="teacher-passcode")
        if _accepted("teacher", passcode, limits.teacher_matches):
            st.rerun()


def _accepted(name: str, passcode: str, matches) -> bool:
    """Whether a passcode was right; remembered for the session under `name`."""
    tried = f"{name}-tried"
    if not passcode:
        return False
    if matches(passcode):
        st.session_state[name] = True
        if limits.teacher_matches(passcode):
            st.session_state["teacher"] = True
        return True
    if st.session_state.get(tried) != passcode:  # Not again at every rerun.
        st.session_state[tried] = passcode
        limits.count_wrong_attempt()
    st.error("That is not the passcode; ask the teacher for it.")
    return False
