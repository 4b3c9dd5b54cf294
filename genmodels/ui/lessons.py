"""What the lessons show: their steps, and real numbers of the models that ship."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from .. import pictures, posteriors, runs
from ..errors import RunError
from ..evaluation import results
from ..recipes import REPORT
from ..runs import Run
from . import map_view, routes, shared, shell
from .widgets.lesson import lesson
from .widgets.map import Sheet

PLANE = "vae-mnist-2d"
"""The model whose latents can be drawn on paper."""
AREA = (-3.5, -3.5, 7.0)
"""Left, bottom and size of its plane: nearly all of the prior."""
NEIGHBOURS = 20
"""Of a latent, which say how sure its class is."""


class Step(NamedTuple):
    """A step of a lesson: `kind` is its name in the component, `text` goes before the figure."""

    name: str
    kind: str
    text: str
    data: Callable[[], dict[str, Any]] = dict


def show(family: str, title: str, steps: Sequence[Step]) -> None:
    """The step that the address names, and buttons to the ones before and after it."""
    names = [step.name for step in steps]
    if st.session_state.get("step") not in names:  # Chosen in the other lesson.
        st.session_state.pop("step", None)
    # On a projector little is above the figure.
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(title, anchor=False, width="content")
        name = st.segmented_control(
            "Steps",
            names,
            default=names[0],
            required=True,
            key="step",
            bind="query-params",
            label_visibility="collapsed",
        )
    at = names.index(name)
    step = steps[at]
    # Above the figure: they stay where they are from step to step, and never slip off a screen.
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{at + 1}. {name}", anchor=False, width="content")
        with st.container(horizontal=True, width="content"):
            before, after = names[max(at - 1, 0)], names[min(at + 1, len(names) - 1)]
            _button("Back", ":material/arrow_back:", before, name == before)
            _button("Next", ":material/arrow_forward:", after, name == after)
    st.markdown(step.text)
    with shell.mistakes_in_place():  # The other steps are whole.
        lesson(family=family, step=step.kind, data=step.data(), key=f"lesson-{step.kind}")


def _button(label: str, icon: str, goal: str, disabled: bool) -> None:
    st.button(
        label,
        icon=icon,
        disabled=disabled,
        on_click=st.session_state.update,
        kwargs={"step": goal},
    )


def plane() -> dict[str, Any]:
    """The plane of the latents of `PLANE` as tiles, and how a browser decodes a place itself."""
    run = _shipped(PLANE)
    return {
        "area": AREA,
        "tiles": _tiles(_stamp(run), run),
        "decoder": routes.decoder(run),
    }


def typical() -> dict[str, Any]:
    """Ten pictures that the model draws itself, and the posterior of each, besides its plane."""
    run = _shipped(PLANE)
    path = run.path / "latents.json"
    if posteriors.stored(run) is None:
        raise RunError(f"this step needs {path}, and it is missing or empty; restore it.")
    return plane() | {"pictures": _typical(f"{_stamp(run)} {runs.stamp(path)}", run)}


def losses() -> dict[str, Any]:
    """The last losses of the VAEs of digits on held-out images, in nats per image."""
    models = []
    names = ("loss", "reconstruction", "kl")
    for run in _found("vae-mnist", PLANE):
        lines = [line for line in run.metrics() if line["split"] == "val"]
        if lines and lines[-1].keys() >= set(names):
            values = {name: lines[-1][name] for name in names}
            latent_dim = getattr(run.recipe, "latent_dim", 0)
            models.append({"title": run.title, "latentDim": latent_dim} | values)
    return {"models": models}


def chances() -> dict[str, Any]:
    """How real the discriminators of the report's GANs find pictures made at the end of training:
    its mean for fixed latents, as training measured it."""
    models = []
    for run in _found("gan-mnist", "gan-imagenette"):
        lines = [line for line in run.metrics() if line["split"] == "val" and "d_fake" in line]
        if lines:
            models.append({"title": run.title, "d": lines[-1]["d_fake"]})
    return {"models": models}


def shares() -> dict[str, Any]:
    """How samples of the report's models of digits fall into the classes, where it was measured."""
    models = []
    for run in _found("gan-mnist", "vae-mnist"):
        for entry in results(run):
            if entry["metric"] == "classes" and "shares" in entry:
                words = f"{entry['value']} of {len(entry['shares'])} classes covered"
                rows = list(entry["shares"].items())
                models.append({"title": run.title, "words": words, "shares": rows})
    return {"models": models}


def distances() -> dict[str, Any]:
    """The Fréchet distances of the models that ship, by the features they were measured on."""
    groups: dict[str, dict[str, Any]] = {}
    for run in _found(*REPORT, PLANE, *(f"{name}-plus" for name in REPORT)):
        judged = getattr(run.recipe, "feature_weight", 0.0) > 0
        taught = f"classifier-{run.recipe.dataset}" if judged else None
        for entry in results(run):
            if entry["metric"] != "frechet":
                continue
            group = groups.setdefault(entry["title"], {"rows": [], "floor": entry["floor"]})
            words = f"{entry['value']:.2f}"
            if entry["error"] is not None:
                words += f" ± {entry['error']:.2f}"
            title = run.title
            if entry["features"] == taught:
                title += " (learnt from this classifier)"
            group["rows"].append([title, entry["value"], words])
    return {
        "groups": [
            {"title": title, "rows": [*sorted(group["rows"], key=_value), _floor(group["floor"])]}
            for title, group in groups.items()
        ]
    }


def _value(row: list[Any]) -> float:
    return row[1]


def _floor(floor: dict[str, Any]) -> list[Any]:
    """Real against real: no model can be expected to do better."""
    return ["Real against real", floor["value"], f"{floor['value']:.2f}"]


def _found(*ids: str) -> list[Run]:
    """Those of the runs that are here, in this order."""
    shown = {run.id: run for run in shared.gallery()[0]}
    return [shown[name] for name in ids if name in shown]


def _shipped(name: str) -> Run:
    found = _found(name)
    if not found:
        raise RunError(f"this step shows the model {name}, which isn't here; restore checkpoints/.")
    return found[0]


def _stamp(run: Run) -> str:
    from .. import weights

    return weights.fingerprint(run)


@st.cache_data(max_entries=2, show_spinner="Decoding the plane")
def _tiles(fingerprint: str, _run: Run) -> Sheet:
    places = map_view.centres(*AREA)
    return map_view.sheet_of(map_view.decode(shared.model_of(_run), places))


@st.cache_data(max_entries=2, show_spinner="Encoding ten pictures")
def _typical(fingerprint: str, _run: Run) -> list[dict[str, Any]]:
    """A typical latent of each class decoded, and what the encoder says of these pictures."""
    import torch

    model = shared.model_of(_run)
    stored = posteriors.stored(_run)
    assert stored is not None
    labels = torch.tensor(stored.labels)
    distances = torch.cdist(stored.means, stored.means)
    near = distances.topk(NEIGHBOURS + 1, largest=False).indices[:, 1:]
    own = (labels[near] == labels[:, None]).double().mean(1)
    medoids = []
    for label in range(len(stored.classes)):
        group = (labels == label).nonzero()[:, 0]
        # Where classes overlap, a 4 may look like a 9: so one of those among their own kind. A
        # class may lie in several places, and its mean in none of them: so the medoid.
        sure = group[own[group] >= own[group].quantile(0.75)]
        medoids.append(sure[distances[sure][:, sure].sum(0).argmin()])
    with torch.inference_mode():
        images = model.decode(stored.means[torch.stack(medoids)])
        mean, log_variance = model.encode(images)
    deviation = (0.5 * log_variance).exp()
    return [
        {
            "name": name,
            "url": pictures.data_url(pictures.to_pil(picture)),
            "mean": mean[at].tolist(),
            "deviation": deviation[at].tolist(),
        }
        for at, (name, picture) in enumerate(
            zip(stored.classes, shared.as_pictures(images), strict=True)
        )
    ]
