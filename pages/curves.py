"""How the losses fell, and what the samples looked like then."""

import pandas as pd
import streamlit as st

from genmodels.ui import curves_view, figures, settings_view, shared

shared.heading(
    "Learning curves",
    "Drag the slider under the chart: the same 64 latents, decoded as the model was at that "
    "moment. Most is learnt within the first epoch. Dashed lines: training images. Solid lines: "
    "held-out images.",
)
by_id = {run.id: run for run in shared.gallery()[0] if run.metrics()}
if not by_id:
    shared.empty("No run has learning curves yet. Train a model, or restore checkpoints/.")
shared.drop_missing("runs", by_id, shared.MISSING)
chosen = st.multiselect(
    "Runs",
    list(by_id),
    default=[next(iter(by_id))],
    max_selections=len(figures.COLOURS),
    key="runs",
    bind="query-params",
    on_change=shared.forget_missing,
    args=("runs",),
)
if not chosen:
    shared.empty("Choose a run to see its curves.")
runs = [by_id[run_id] for run_id in chosen]
curves = [(run, run.metrics()) for run in runs]
curves_view.show(curves)
if len(runs) > 1:
    settings_view.show_differences(runs)
with st.expander("All settings"):
    st.dataframe(settings_view.table(runs, only_different=False), hide_index=True)
with st.expander("The numbers behind it"):
    lines = [{"run": run.id, **line} for run, metrics in curves for line in metrics]
    st.dataframe(pd.DataFrame(lines), hide_index=True)
curves_view.ablations()
