"""Learning curves with the samples of each moment below them."""

import json
from collections.abc import Sequence
from typing import Any, TypedDict

import plotly.graph_objects as go

from . import widget

# plotly.js puts its own styles into the document, where a shadow root would not see them.
_curves = widget("curves", isolate_styles=False)


class CurvesRun(TypedDict):
    """One run below the curves: `stops` are [images seen, epoch, address of the picture]."""

    id: str
    title: str
    shape: Sequence[int]
    stops: Sequence[Sequence[int | float | str]]


def curves(
    *,
    figure: go.Figure,
    runs: Sequence[CurvesRun],
    label: str,
    plotly: str,
    key: str,
    log: bool = False,
    name: str = "learning-curves",
) -> None:
    """A chart over epochs with a cursor, and below it what each run drew at that moment.

    Colours, fonts and grid that the figure leaves open follow the theme. `log` makes the
    vertical axes logarithmic. `name` is that of the files that the chart is saved as, `plotly`
    the address of plotly.js.

        urls = routes.sample_urls(run)
        stops = [[seen, seen / per_epoch, url] for seen, url in urls.items()]
        curves(
            figure=figure, label="Loss over the epochs", plotly=routes.plotly_url(), key="curves",
            runs=[{"id": run.id, "title": run.title, "shape": [1, 28, 28], "stops": stops}],
        )
    """
    data = curves_data(figure=figure, runs=runs, label=label, plotly=plotly, log=log, name=name)
    _curves(key=key, data=data)


def curves_data(
    *,
    figure: go.Figure,
    runs: Sequence[CurvesRun],
    label: str,
    plotly: str,
    log: bool = False,
    name: str = "learning-curves",
) -> dict[str, Any]:
    """What curves.js shows; see `curves`."""
    figure = go.Figure(figure)
    if log:
        figure.update_yaxes(type="log")
    plain = json.loads(str(figure.to_json()))
    plain["layout"].pop("template", None)  # the browser makes one from the theme
    return {
        "figure": plain,
        "runs": [{name: run[name] for name in ("id", "title", "shape", "stops")} for run in runs],
        "label": label,
        "log": log,
        "plotly": plotly,
        "name": name,
    }
