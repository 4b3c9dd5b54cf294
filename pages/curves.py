"""How the losses fell, and what the samples looked like then."""

import pandas as pd
import streamlit as st

from genmodels import figures
from genmodels.ui import curves_view, shared

shared.heading(
    "Learning curves",
    "Drag the slider under the chart: the same 64 latents, decoded as the model was at that "
    "moment. Most is learnt within the first epoch. Dashed: training images; drawn through: "
    "held-out ones.",
)
offered = [run for run in shared.gallery()[0] if run.metrics()]
if not offered:
    shared.empty("No run has learning curves yet. Train a model, or restore checkpoints/.")
by_id = {run.id: run for run in offered}
shared.drop_missing("runs", by_id, shared.MISSING)
chosen = st.multiselect(
    "Runs",
    list(by_id),
    default=[offered[0].id],
    max_selections=len(figures.COLOURS),
    key="runs",
    bind="query-params",
    on_change=shared.forget_missing,
    args=("runs",),
)
if not chosen:
    shared.empty("Choose a run to see its curves.")
curves = [(by_id[run_id], by_id[run_id].metrics()) for run_id in chosen]
curves_view.show(curves)
table = pd.DataFrame([{"run": run.id, **line} for run, metrics in curves for line in metrics])
with st.expander("The numbers behind it"):
    st.dataframe(table, hide_index=True)
shared.downloads(("CSV", "learning-curves.csv", table.to_csv(index=False).encode()))
curves_view.ablations()
