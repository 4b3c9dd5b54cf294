"""Plotly figures."""

from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from .recipes import DISTANCE_SAMPLES
from .runs import Run

# Okabe and Ito's colours, told apart by colour-blind people and on light and dark ground.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#8C8C8C"
# Petroff's ten (2021, arXiv:2107.02270), the best of ten to tell apart for colour-blind people.
CLASS_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
TITLES = {
    "loss": "Loss (negative ELBO if KL weighs 1), nats",
    "reconstruction": "Reconstruction, nats",  # Of an image, or of a pixel where it is averaged.
    "kl": "KL divergence, nats",
    "features": "Distance of the classifier's features",
    "generator_loss": "Generator loss (cross-entropy in nats, or hinge)",
    "discriminator_loss": "Discriminator loss (cross-entropy in nats, or hinge)",
    "r1": "R1, half the squared gradient of D on real images",
    "mode_seeking": "Distance of two latents / of their pictures",
    "d_real": "D(x), mean on real images",
    "d_fake": "D(G(z)), mean on generated images",
    "classifier_distance": f"Fréchet distance (classifier), {DISTANCE_SAMPLES:,} samples",
    "accuracy": "Accuracy",
}
LAYOUT = {
    "margin": {"l": 64, "r": 16, "t": 16, "b": 48},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
}
NOT_MEASURED = {
    "epoch",
    "split",
    "images_seen",
    "seconds",
    "images_per_second",
    "distance_seconds",
    "other_seconds",
}


def quantities(metrics: list[dict[str, Any]]) -> list[str]:
    """What was measured, in a reader's order."""
    names = {name for line in metrics for name in line} - NOT_MEASURED
    order = list(TITLES)
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def learning_curves(curves: list[tuple[Run, list[dict[str, Any]]]], quantity: str) -> go.Figure:
    """One quantity over the epochs: a colour per run, training dashed and held-out solid."""
    figure = go.Figure()
    for (run, metrics), colour in zip(curves, COLOURS, strict=False):
        for split, dash in (("train", "dash"), ("val", "solid")):
            lines = [line for line in metrics if line["split"] == split and quantity in line]
            if not lines:
                continue
            figure.add_scatter(
                x=[line["epoch"] for line in lines],
                y=[line[quantity] for line in lines],
                # Plotly reads HTML in names.
                name=f"{escape(run.title)}, {split}",
                showlegend=True,  # Of a single line too: whose it is.
                mode="lines+markers" if len(lines) < 12 else "lines",
                line={"color": colour, "dash": dash, "width": 2},
                hovertemplate="%{y:.4g}",
            )
    figure.update_layout(LAYOUT, hovermode="x unified", height=380)
    figure.update_xaxes(title="Epoch", rangemode="tozero")
    figure.update_yaxes(title=TITLES.get(quantity, quantity))
    return figure


def not_logarithmic(curves: list[tuple[Run, list[dict[str, Any]]]], quantity: str) -> str:
    """Why a quantity cannot have a logarithmic axis; empty where it can."""
    for run, metrics in curves:
        low = min((line[quantity] for line in metrics if quantity in line), default=1.0)
        if not low > 0:
            return (
                f"A logarithmic axis shows values above 0 only, and those of {run.title} go down "
                f"to {low:.3g}."
            )
    return ""


def by_count(entry: dict[str, Any]) -> go.Figure:
    """A distance against the number of samples it was measured from, and its floor."""
    last = {name: entry[name] for name in ("samples", "value", "error")}
    points = [*entry["by_count"], last | {"floor": entry["floor"]["value"]}]
    counts = [point["samples"] for point in points]
    errors = {"array": [point["error"] or 0 for point in points], "thickness": 1}
    figure = go.Figure()
    for name, key, colour in (
        ("samples", "value", COLOURS[0]),
        ("real training images", "floor", COLOURS[2]),
    ):
        figure.add_scatter(
            x=counts,
            y=[point[key] for point in points],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 8},
            error_y=errors if key == "value" else None,
            hovertemplate="%{y:.4g}",
        )
    figure.update_layout(LAYOUT, hovermode="x unified", height=360)
    figure.update_xaxes(title="Number of samples", type="log", tickvals=counts, tickformat=",")
    figure.update_yaxes(title=entry["title"], rangemode="tozero")
    return figure


def along(values: list[float], title: str) -> go.Figure:
    """A quantity in [0, 1] on the way from A to B."""
    ways = [100 * step / (len(values) - 1) for step in range(len(values))]
    figure = go.Figure()
    figure.add_scatter(
        x=ways,
        y=values,
        mode="lines",
        line={"color": COLOURS[0], "width": 2},
        hovertemplate="%{y:.3f} at %{x:.0f} %<extra></extra>",
    )
    figure.update_layout(LAYOUT, height=240)
    figure.update_xaxes(title="Part of the way from A to B, %")
    figure.update_yaxes(title=title, range=[0, 1.02])
    return figure


def histograms(
    groups: dict[str, Any], title: str, mark: tuple[str, float] | None = None
) -> go.Figure:
    """Distributions of a few groups of numbers, one over the other; `mark` names one place."""
    figure = go.Figure()
    for (name, values), colour in zip(groups.items(), COLOURS, strict=False):
        figure.add_histogram(
            x=values, name=name, opacity=0.6, marker={"color": colour}, bingroup=1, nbinsx=40
        )
    if mark is not None:
        figure.add_vline(mark[1], annotation_text=mark[0], line={"color": COLOURS[2], "width": 3})
    figure.update_layout(LAYOUT, barmode="overlay", height=280)
    figure.update_xaxes(title=title)
    figure.update_yaxes(title="Images")
    return figure


def dimensions(names: list[str], values: list[float], dead: list[bool], title: str) -> go.Figure:
    """What each number of a latent carries, in the order given; dead ones are grey."""
    colours = [GREY if gone else COLOURS[0] for gone in dead]
    figure = go.Figure(
        go.Bar(x=names, y=values, marker={"color": colours}, hovertemplate="%{x}: %{y:.3g}")
    )
    figure.update_traces(name="", marker_line_width=0)
    figure.update_layout(LAYOUT, height=280)
    figure.update_xaxes(title="Number of the latent")
    figure.update_yaxes(title=title)
    return figure


def posterior(mean: list[float], deviation: list[float]) -> go.Figure:
    """The mean of each number of a latent, plus and minus a standard deviation, on N(0, 1)'s."""
    figure = go.Figure()
    figure.add_hrect(-1, 1, fillcolor="#888888", opacity=0.2, line_width=0, layer="below")
    figure.add_bar(
        x=list(range(1, len(mean) + 1)),  # In formulas the first number is z1.
        y=mean,
        marker={"color": COLOURS[0]},
        error_y={"array": deviation, "thickness": 1, "color": COLOURS[1]},
        hovertemplate="number %{x}: %{y:.2f} ± %{error_y.array:.2f}<extra></extra>",
    )
    figure.update_layout(LAYOUT, height=280)
    figure.update_xaxes(title="Number of the latent")
    figure.update_yaxes(title="Mean ± standard deviation")
    return figure


def plane(
    points: "np.ndarray", labels: list[int], classes: list[str], mark: tuple[str, float, float]
) -> go.Figure:
    """A `scatter` of a principal plane, and a star where `mark` is."""
    figure = scatter(points, labels, classes)
    star = {"symbol": "star", "size": 22, "color": "#F0E442", "line": {"color": "#000", "width": 2}}
    figure.add_scatter(
        x=[mark[1]], y=[mark[2]], name=mark[0], mode="markers", marker=star, hoverinfo="name"
    )
    figure.update_layout(height=480, legend={"itemsizing": "constant"})
    figure.update_xaxes(title="First principal component", showticklabels=True, showgrid=True)
    figure.update_yaxes(title="Second", showticklabels=True, showgrid=True)
    return figure


def descent(steps: list[int], errors: list[float]) -> go.Figure:
    """The least error so far over the steps of a descent."""
    figure = go.Figure()
    line = {"color": COLOURS[0], "width": 2}
    figure.add_scatter(x=steps, y=errors, mode="lines", line=line, hovertemplate="%{y:.4f}")
    figure.update_layout(LAYOUT, hovermode="x unified", height=240)
    figure.update_xaxes(title="Step")
    figure.update_yaxes(title="Mean squared error", rangemode="tozero")
    return figure


def scatter(points: "np.ndarray", labels: list[int], classes: list[str]) -> go.Figure:
    """Points [n, 2] in the plane, a colour per class; the axes mean nothing.

    `classes` may hold anything: nothing in them is read as HTML.
    """
    figure = go.Figure()
    for label in sorted(set(labels)):
        chosen = [index for index, other in enumerate(labels) if other == label]
        figure.add_scatter(
            x=points[chosen, 0],
            y=points[chosen, 1],
            name=escape(classes[label]),
            mode="markers",
            marker={
                "color": CLASS_COLOURS[label % len(CLASS_COLOURS)],
                "symbol": ("circle", "square")[label % 2],  # Helps where two colours look alike.
                "size": 6,
            },
            hovertemplate="%{fullData.name}<extra></extra>",
        )
    figure.update_layout(LAYOUT, height=640)
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(bare)
    figure.update_yaxes(bare, scaleanchor="x")
    return figure
