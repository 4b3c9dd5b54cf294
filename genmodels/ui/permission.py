"""Who may let this machine work: train and measure. Anyone may look."""

import streamlit as st

from .. import jobs


def may_compute() -> bool:
    """Whether this session may start work; says why not, or asks for the passcode."""
    permission = jobs.permission()
    if permission == "open":
        return True
    if permission == "off":
        st.info(
            "Training and measuring are switched off on this server. On your own machine start "
            "the app by `make app`, or set `GENMODELS_TRAINING=open`.",
            icon=":material/lock:",
        )
        return False
    passcode = st.text_input("Passcode", type="password", key="passcode", persist_state="session")
    if jobs.passcode_matches(passcode):
        return True
    if passcode:
        st.error("That is not the passcode; ask the teacher for it.")
    return False
