"""A card for every run."""

import streamlit as st

from genmodels.errors import RunError
from genmodels.recipes import REPORT
from genmodels.runs import Run
from genmodels.ui import navigation, shared, shell, tour
from genmodels.ui.shell import plain

COLUMNS = 4


def card(run: Run) -> None:
    with st.container(border=True, height="stretch"):
        try:
            picture = shared.last_picture(run)
        except RunError as error:  # The other cards are whole.
            st.warning(shell.sentence(error), icon=":material/warning:")
            picture = None
        if picture:
            alt = f"Sixteen samples of {run.title}"
            # Left to itself, Streamlit would encode it anew at every rerun, as JPEG.
            st.image(picture, width="stretch", alt=alt, output_format="PNG")
        st.subheader(plain(run.title), anchor=False)
        status = run.status()
        state = "" if status.state == "done" else f" · {status.state}"
        total = sum(run.parameters.values())
        st.caption(f"`{run.id}` · {total:,} parameters · {status.epoch} epochs{state}")
        st.markdown(shared.losses_in_words(run))
        if run.shipped and run.info.get("recipe_name") in REPORT:
            st.caption("As in the report the project began with")
        with st.container(horizontal=True):
            for name, label in (("sample", "Sample"), ("interpolate", "Interpolate")):
                link(name, label, model=run.id)
            link("curves", "Curves", runs=run.id)


def link(name: str, label: str, **query: str) -> None:
    icons = {page: icon for _, page, _, icon in navigation.PAGES}
    icon = f":material/{icons[name]}:"
    st.page_link(shell.page(name), label=label, icon=icon, query_params=query)


def cards(shown: list[Run]) -> None:
    for start in range(0, len(shown), COLUMNS):
        row = shown[start : start + COLUMNS]
        for column, run in zip(st.columns(COLUMNS), row, strict=False):
            with column:
                card(run)


shared.heading(
    "Models that learnt to draw",
    "Each card is one training of a **variational autoencoder** (VAE) or a **generative "
    "adversarial network** (GAN) on real pictures. Open one: sample it, walk between two of its "
    "pictures, or see how it learnt.",
)
tour.invite()
shown, damaged = shared.gallery()
cards([run for run in shown if run.shipped])
own = [run for run in shown if not run.shipped]
begun = [run for run in own if run.samples()]
st.subheader("Trained here", anchor=False)
cards(begun)
if not own:
    st.markdown("None yet. Start one on the Train page; a digit model takes minutes.")
elif len(own) > len(begun):
    st.markdown(f"{len(own) - len(begun)} more on the Train page, without pictures so far.")
for run in damaged:
    reason = f"**{plain(run.id)}** cannot be shown: {plain(run.reason)}"
    st.warning(reason, icon=":material/warning:")
