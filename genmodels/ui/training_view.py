"""A training to watch: its place, progress, time left, live curve and samples; what one can do."""

import streamlit as st

from .. import figures, jobs, pictures, runs
from ..errors import RunError
from ..jobs import worker
from ..recipes import RECIPES, field_types
from ..runs import Damaged, Run, Status
from ..variations import VARIATIONS
from . import shared, shell, visitor
from .permission import is_teacher
from .shell import plain

ACTIVE = ("waiting", "training")
SHORT = {"kl": "KL", "r1": "R1", "d_real": "D(x)", "d_fake": "D(G(z))"}
ENDS = {"done": "is trained", "failed": "failed", "stopped": "was stopped"}


@st.cache_resource(ttl=1, show_spinner=False)
def places() -> list[jobs.Place]:
    """The queue, read once a second for all sessions."""
    return jobs.places()


def is_mine(run: Run | Damaged) -> bool:
    """Whether this person may stop, resume, delete and rename the run."""
    return jobs.control(run, key=visitor.key(), teacher=is_teacher())


def follow(run: Run) -> None:
    """Tells this session when the run is over, whatever page it is on."""
    st.session_state.setdefault("followed", set()).add(run.id)


def announce() -> None:
    """On every page: a toast when a training of this session is over."""
    if st.session_state.get("followed"):
        st.fragment(_announce, run_every=3)()


def _announce() -> None:
    for run_id in list(st.session_state["followed"]):
        try:
            run = runs.find(run_id)
            state = run.status().state
        except RunError:
            state, run = "gone", None
        if state in ACTIVE:
            continue
        st.session_state["followed"].discard(run_id)
        if run is not None and state in ENDS:
            st.toast(f"{plain(run.title)} {ENDS[state]}.", icon=":material/notifications:")


def watch(run: Run, allowed: bool) -> None:
    """Shows a run; while it waits or trains, again every second."""
    state = run.status().state
    st.fragment(_view, run_every=1.0 if state in ACTIVE else None)(run.id, allowed, state)


def damaged_runs(damaged: list[Damaged], allowed: bool) -> None:
    """Own runs that cannot be shown: why, and a button that deletes each."""
    for run in damaged:
        if not jobs.is_own(run):
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(f"**{plain(run.id)}**: {plain(run.reason)}", icon=":material/warning:")
            if allowed and is_mine(run):
                _delete(run)


def queue_table() -> None:
    """Who waits, and for how long about."""
    st.fragment(_queue_table, run_every=2.0)()


def _queue_table() -> None:
    queue = places()
    if not queue:
        return
    st.subheader(f"Queue: {len(queue)} waiting", anchor=False)
    rows = [
        {
            "place": place.number,
            "training": place.run.title,
            "yours": is_mine(place.run),
            "starts in about": _about(place.seconds_until_start),
        }
        for place in queue
    ]
    st.dataframe(rows, hide_index=True)


def _about(seconds: float | None) -> str:
    return "not known yet" if seconds is None else duration(seconds) if seconds else "a moment"


def _view(run_id: str, allowed: bool, state: str) -> None:
    try:
        run = runs.find(run_id)
    except RunError:
        st.info("This run was deleted.", icon=":material/delete:")
        return
    status = run.status()
    if status.state != state:
        st.rerun()  # The whole page: other buttons, another pace.
    st.subheader(plain(run.title), anchor=False)
    _say(run, status)
    metrics, picture = run.metrics(), None
    with shell.mistakes_in_place():  # A damaged picture hides nothing else.
        picture = shared.last_picture(run, rows=8)
    if picture or any(line["epoch"] for line in metrics):
        left, middle, right = st.columns([2, 1, 1])
        with left:
            _curve(run, status, metrics)
        with middle:
            if picture:
                # Not a file of Streamlit's: it is gone once a newer one is shown, and a slow
                # browser asks for it only then.
                url = pictures.content_url(picture, "png")
                st.image(url, width="stretch", alt="The newest samples of the training")
                st.caption(f"The same 64 latents after {max(run.samples()):,} images")
        with right:
            _parent(run)
    for variation in VARIATIONS:
        if variation.recipe == run.recipe:
            st.markdown(f"**What to look for.** {plain(variation.look_for)}")
    _controls(run, status, allowed and is_mine(run))


def _curve(run: Run, status: Status, metrics: list[dict]) -> None:
    names = figures.quantities(metrics)
    if names and any(line["epoch"] for line in metrics):
        figure = figures.learning_curves([(run, metrics)], names[0])
        title = figures.TITLES.get(names[0], names[0])
        st.plotly_chart(figure, key="live", alt=f"{title} so far")
    elif status.state == "training":
        st.caption("The curve begins after the first epoch.")


def _parent(run: Run) -> None:
    """The samples of the run that this one varies, to compare with."""
    try:
        parent = runs.find(run.info.get("parent") or "")
        picture = shared.last_picture(parent, rows=8)
    except RunError:  # It varies none, or that one was deleted.
        return
    if picture:
        st.image(picture, width="stretch", alt=f"Samples of {parent.title}, to compare with")
        st.caption(f"For comparison: {plain(parent.title)}, {parent.status().epoch} epochs")


def _controls(run: Run, status: Status, mine: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        active = status.state in ACTIVE
        if active:
            label = "Take out of the queue" if status.state == "waiting" else "Stop"
            if st.button(label, icon=":material/stop:", disabled=not mine):
                with shell.mistakes_in_place():
                    jobs.stop(run)
                    if status.state == "training":
                        st.toast("Asked to stop; it ends after the running step.")
        elif status.state in ("stopped", "failed") and st.button(
            "Resume", icon=":material/play_arrow:", disabled=not mine
        ):
            with shell.mistakes_in_place():
                jobs.resume(run, key=visitor.key(), teacher=is_teacher())
                follow(run)
                places.clear()
                st.rerun()
        if run.info["recipe_name"] in RECIPES:
            st.button(
                "Duplicate with changes",
                icon=":material/content_copy:",
                on_click=duplicate,
                args=(run,),
                help="Fills the form below with this run's settings.",
            )
        if mine:
            with st.popover("Rename", icon=":material/edit:"):
                title = st.text_input("Title", run.title, max_chars=jobs.LONGEST_TITLE)
                if st.button("Save", key="rename", disabled=title == run.title):
                    with shell.mistakes_in_place():
                        jobs.retitle(run, title)
                        st.rerun()
            if not active:
                _delete(run)
        if run.metrics():
            compared = [run.info["parent"]] if run.info.get("parent") else []
            st.page_link(
                shell.page("curves"),
                label="Learning curves",
                query_params={"runs": [*compared, run.id]},
            )
        if any(run.path.glob("*.safetensors")):
            st.page_link(shell.page("sample"), label="Sample", query_params={"model": run.id})


def _delete(run: Run | Damaged) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown("This permanently deletes its weights, curves and samples.")
        key = "delete" if isinstance(run, Run) else f"delete-{run.id}"
        if st.button("Delete for good", key=key, type="primary"):
            with shell.mistakes_in_place():
                jobs.delete(run)
                if isinstance(run, Run):
                    st.session_state.pop("run", None)
                st.rerun()


def duplicate(run: Run) -> None:
    """Fills the form with a run's recipe. A callback: it runs before the form is drawn."""
    name = run.info["recipe_name"]
    st.session_state["recipe"] = name
    st.session_state["parent"] = run.id
    for field in field_types(type(run.recipe)):
        st.session_state[f"{name}-{field}"] = getattr(run.recipe, field)


def _say(run: Run, status: Status) -> None:
    """The state of a training in words and, while it runs, as a bar."""
    if status.state == "waiting":
        place = next((place for place in places() if place.run.id == run.id), None)
        if place is None or runs.is_claimed(run.path):
            st.progress(0.0, "Starting")
        elif trouble := worker.trouble():
            st.error(f"Trainings can't start: {plain(trouble)}", icon=":material/error:")
        else:
            about = _about(place.seconds_until_start)
            st.info(f"Place {place.number} in the queue · starts in about {about}")
        return
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
                st.metric(SHORT.get(name, name.replace("_", " ").capitalize()), f"{value:.4g}")


def duration(seconds: float) -> str:
    """Seconds in the words of a person who waits."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
