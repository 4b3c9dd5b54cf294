"""How the losses fell, and what the samples looked like then."""

import pandas as pd
import streamlit as st

from genmodels import figures
from genmodels.ui import components, routes, shared

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
chosen = st.multiselect(
    "Runs",
    list(by_id),
    default=[offered[0].id],
    max_selections=len(figures.COLOURS),
    key="runs",
    bind="query-params",
)
if not chosen:
    shared.empty("Choose a run to see its curves.")
curves = [(by_id[run_id], by_id[run_id].metrics()) for run_id in chosen]
names = figures.quantities([line for _, metrics in curves for line in metrics])
left, right = st.columns([3, 1], vertical_alignment="bottom")
if st.session_state.get("quantity") not in names:
    st.session_state.pop("quantity", None)
quantity = left.selectbox(
    "Quantity",
    names,
    key="quantity",
    bind="query-params",
    help="Train is the mean over an epoch while it learns, val is measured after it.",
)
log = right.toggle("Logarithmic", key="log", bind="query-params")


shown: list[components.CurvesRun] = []
for run, metrics in curves:
    per_epoch = max(line["images_seen"] / max(1, line["epoch"]) for line in metrics) or 1
    stops = [[seen, seen / per_epoch, url] for seen, url in routes.sample_urls(run).items()]
    shown.append({"id": run.id, "title": run.title, "shape": run.recipe.shape, "stops": stops})
components.curves(
    figure=figures.learning_curves(curves, quantity),
    runs=shown,
    label=f"{figures.TITLES.get(quantity, quantity)} over the epochs",
    key="curves",
    log=log,
)
table = pd.DataFrame([{"run": run.id, **line} for run, metrics in curves for line in metrics])
with st.expander("The numbers behind it"):
    st.dataframe(table, hide_index=True)
shared.downloads(("CSV", "learning-curves.csv", table.to_csv(index=False).encode()))
