"""How good the samples are, in numbers, and what the numbers mean."""

import streamlit as st

from genmodels import evaluation
from genmodels.ui import shared
from genmodels.ui.evaluation_view import MEANINGS, NOT_COMPUTED, compute, table
from genmodels.ui.permission import may_compute

shared.heading(
    "FID",
    "How far are the samples from real pictures? The **Fréchet inception distance** compares the "
    "two as a network sees them: less is better. Look at the samples too: a number is no picture.",
)
run = shared.choose_run()
entries = evaluation.results(run)
fid = [entry for entry in entries if entry["title"] == "FID"]
others = [entry for entry in entries if entry["metric"] == "frechet" and entry not in fid]
with st.container(horizontal=True):
    if fid:
        best = max(fid, key=lambda entry: entry["samples"])
        st.metric("FID", f"{best['value']:.2f}", help=f"{best['samples']:,} samples")
        st.metric("Floor (train against val)", f"{best['floor']['value']:.2f}")
    else:
        st.metric("FID", NOT_COMPUTED)
    for entry in others:
        st.metric(entry["title"], f"{entry['value']:.3g}", help=f"{entry['samples']:,} samples")

st.subheader("Measure", anchor=False)
if may_compute():
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    kind = left.segmented_control(
        "Features of",
        ["inception", "classifier"],
        default="inception",
        required=True,
        format_func={"inception": "Inception (FID)", "classifier": "Our classifier"}.__getitem__,
        key="features",
        bind="query-params",
    )
    samples = middle.number_input(
        "Samples", 2, 50_000, 10_000, 1000, key="samples", bind="query-params"
    )
    if right.button("Compute", type="primary", width="stretch"):
        compute(run, kind, samples)

st.subheader("All runs", anchor=False)
frame = table(shared.gallery()[0])
st.dataframe(
    frame,
    hide_index=True,
    column_config={
        name: st.column_config.NumberColumn(format="%.4g") for name in ("value", "error", "floor")
    },
)
shared.downloads(("CSV", "evaluation.csv", frame.to_csv(index=False).encode()))
with st.expander("What the numbers mean"):
    st.markdown(MEANINGS)
