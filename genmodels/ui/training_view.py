"""A training to watch: progress, time left, live curve and samples, stop and resume."""

import streamlit as st

from .. import figures, jobs, runs
from ..runs import Run, Status
from . import shared, shell
from .shell import plain


def watch(run: Run, allowed: bool) -> None:
    """Shows a run; while it trains, again every second."""
    training = run.status().state == "training"
    st.fragment(_view, run_every=1.0 if training else None)(run.path.name, allowed, training)


def _view(run_id: str, allowed: bool, training: bool) -> None:
    run = runs.find(run_id)
    status = run.status()
    if training and status.state != "training":
        st.rerun()  # The whole page: the form opens again.
    st.subheader(plain(run.title), anchor=False)
    _say(run, status)
    left, right = st.columns([2, 1])
    with left:
        metrics = run.metrics()
        names = figures.quantities(metrics)
        if any(line["epoch"] for line in metrics):
            figure = figures.learning_curves([(run, metrics)], names[0])
            st.plotly_chart(figure, key="live", alt=f"{figures.TITLES[names[0]]} so far")
        elif training:
            st.caption("The curve begins after the first epoch.")
    with right:
        picture = shared.last_picture(run, rows=8)
        if picture:
            st.image(picture, width="stretch", alt="The newest samples of the training")
            st.caption(f"The same 64 latents after {max(run.samples()):,} images")
    with st.container(horizontal=True):
        if training and st.button("Stop", icon=":material/stop:", disabled=not allowed):
            jobs.stop(run)
            st.toast("Asked to stop; it ends after the running step.")
        resumable = not training and run.resumable()
        if resumable and st.button("Resume", icon=":material/play_arrow:", disabled=not allowed):
            with st.spinner("Starting"):
                jobs.resume(run)
            st.rerun()
        if not training:
            st.page_link(
                shell.page("curves"), label="Learning curves", query_params={"runs": run.id}
            )
            st.page_link(shell.page("sample"), label="Sample", query_params={"model": run.id})


def _say(run: Run, status: Status) -> None:
    """The state of a training in words and, while it runs, as a bar."""
    if status.state != "training":
        ends = {"done": st.success, "failed": st.error}
        reason = f": {status.reason}" if status.reason else ""
        text = f"{status.state.capitalize()} after {status.epoch} of {status.epochs} epochs{reason}"
        ends.get(status.state, st.warning)(plain(text))
        return
    if status.reason or not status.images_per_second:
        st.progress(0.0, plain(status.reason or "Starting"))
        return
    images = (run.info["data"] or {}).get("train", {}).get("images", 0) * status.epochs
    left = "" if status.seconds_left is None else f" · {duration(status.seconds_left)} left"
    st.progress(
        min(1.0, status.images_seen / images) if images else 0.0,
        f"Epoch {status.epoch} of {status.epochs}{left} · "
        f"{status.images_per_second:,.0f} images per second",
    )
    if status.losses:
        with st.container(horizontal=True):
            for name, value in status.losses.items():
                st.metric(name.replace("_", " ").capitalize(), f"{value:.4g}")


def duration(seconds: float) -> str:
    """Seconds in the words of a person who waits."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
