"""Writes runs as pages for any file server: `python -m genmodels.export RUN... --out site/`.

HTML, JavaScript, ONNX and pictures. The components are the app's own; a browser does all the
rest. All addresses are relative, so the folder works under any path.
"""

import argparse
import base64
import gzip
import json
import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from . import figures, folders, latent, onnx_export, pictures, posteriors, runs, terminal, weights
from .errors import GenmodelsError
from .posteriors import Stored
from .runs import Run

# Outside of the app Streamlit warns of its caches, one by one as it is imported.
logging.getLogger("streamlit.runtime.caching.cache_data_api").disabled = True
from .ui import curves_view, map_view, routes, runtime, shared, widgets  # noqa: E402
from .ui.widgets.curves import curves_data  # noqa: E402
from .ui.widgets.decoder import decoder_at  # noqa: E402
from .ui.widgets.grid import grid_data  # noqa: E402
from .ui.widgets.map import map_data  # noqa: E402
from .ui.widgets.player import player_data  # noqa: E402

SITE = Path(__file__).parent / "ui" / "site"
WIDGETS = ("map", "player", "grid", "curves")
PLOTLY = "plotly.min.js.gz"
RUNTIME = "onnxruntime/"
SAMPLES = 64
SEED = 0
"""Of the samples."""
FRAMES = 61
"""Of the walk, until the browser decodes; as on the Interpolate page."""
ENDS = (2, 8)
"""The walk's ends: places of classes or, without classes, seeds. The report walked from 2 to 8."""
PICTURE = re.compile(r"data:image/(png|webp);base64,(.*)", re.DOTALL)


class ExportError(GenmodelsError):
    """Pages that cannot be written."""


def export(chosen: Sequence[Run], out: Path, progress: Callable[[str, int, int], None]) -> None:
    """Writes the pages of runs into a folder that is new or empty. Raises GenmodelsError.

    `progress` hears what comes next, how many steps are done, and of how many.
    """
    _check(chosen, out)
    folders.check_writable(out.parent, folders.cache())
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as temporary:
        work = Path(temporary) / "site"
        for done, run in enumerate(chosen):
            progress(run.id, done, len(chosen) + 1)
            _write_run(run, work)
        progress("shared files", len(chosen), len(chosen) + 1)
        _write_shared(chosen, work)
        if out.exists():
            out.rmdir()  # It is empty, and not every system renames onto it.
        work.rename(out)


def _check(chosen: Sequence[Run], out: Path) -> None:
    if not runtime.available():
        raise ExportError(
            "what browsers decode with is not installed; run `npm ci --ignore-scripts` first."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is not empty; delete it first, or name another --out.")
    ids = [run.id for run in chosen]
    for run_id in ids:
        if not runs.ID.fullmatch(run_id):
            raise ExportError(f"{run_id!r} cannot be part of an address; rename the folder.")
        if ids.count(run_id) > 1:
            raise ExportError(f"{run_id} is named more than once; name each run once.")


def _write_run(run: Run, work: Path) -> None:
    graph = onnx_export.decoder_file(run)  # Refuses what is no decoder.
    model = weights.load_run(run)
    folder = work / "runs" / run.id
    (folder / "samples").mkdir(parents=True)
    (folder / "decoder.onnx.gz").write_bytes(_compressed(graph))
    for path in run.samples().values():
        shutil.copy(path, folder / "samples")
    # A browser that keeps files never mixes those of two trainings.
    version = f"?v={weights.fingerprint(run)[:12]}"
    content = _content(run, model, f"runs/{run.id}/", version)
    plain = json.dumps(_as_files(content, folder, f"runs/{run.id}/", version))
    (folder / "run.json").write_text(plain, "utf-8")


def _content(run: Run, model: Any, place: str, version: str) -> dict[str, Any]:
    """What site.js takes; `place` is the address of the run's folder."""
    decoder = decoder_at(
        run.recipe,  # type: ignore[arg-type]  # It has latents: there is a decoder.
        RUNTIME,
        f"{RUNTIME}{runtime.WASM}.gz",
        f"{place}decoder.onnx.gz{version}",
    )
    stored = posteriors.stored(run)
    if stored is not None and len(stored.means) < map_view.LEAST:
        stored = None
    (name_a, start), (name_b, end) = _ends(run, model)
    frames = map_view.decode(model, latent.between(start, end, FRAMES))
    latents = model.sample_latents(SAMPLES, SEED)
    images = map_view.decode(model, latents)
    height, width = images.shape[1:3]
    shown = _map(model, stored)
    return {
        "title": run.title,
        "about": shared.size(run),
        "map_words": _map_words(shown, stored),
        "ends": {
            "A": {"name": name_a, "latent": start.tolist()},
            "B": {"name": name_b, "latent": end.tolist()},
        },
        "points": stored.means[shown.numbers].tolist() if stored else [],
        "samples": latents.tolist(),
        "map": map_data(
            tiles=shown.tiles,
            area=(shown.left, shown.bottom, shown.size),
            label=f"Map of the latent space of {run.title}",
            points=shown.points,
            thumbnails=shown.thumbnails,
            classes=stored.classes if stored else [],
            space=shown.space,
            decoder=decoder,
        ),
        "player": player_data(
            sprite=pictures.sprite(frames),
            count=FRAMES,
            height=height,
            width=width,
            label="",
            captions=("A", "B"),
            display_width=448,
            way={"start": start.tolist(), "end": end.tolist(), "path": "linear"},
            decoder=decoder,
        ),
        "grid": grid_data(
            sprite=pictures.sprite(images),
            count=SAMPLES,
            height=height,
            width=width,
            label=f"{SAMPLES} samples, seed {SEED}",
            tile=64,
        ),
        **_curves(run, place, version),
    }


def _map(model: Any, stored: Stored | None) -> map_view.Map:
    """The app's map of the posterior means; without them the plane holds A and B of the walk."""
    if stored is not None:
        return map_view.principal_map(model, stored.means, stored.labels)
    return map_view.seeds_map(model, (*ENDS, SEED))


def _map_words(shown: map_view.Map, stored: Stored | None) -> str:
    if stored is None:
        return f"It is the plane through the latents of the seeds {ENDS[0]}, {ENDS[1]} and {SEED}."
    points = f"The points are {len(shown.points)} held-out images"
    if stored.means.shape[1] == 2:
        return f"The model has two latents, so the map is exact. {points}."
    return (
        f"The latent space has {stored.means.shape[1]} dimensions; the plane holds "
        f"{shown.share:.0%} of the variance of the posterior means. {points}, projected onto it."
    )


def _ends(run: Run, model: Any) -> list[tuple[str, Tensor]]:
    """The ends of the walk, each with its name."""
    means = list(posteriors.class_means(run, model).items())
    if len(means) < 2:
        return [(f"seed {seed}", model.sample_latents(1, seed)[0]) for seed in ENDS]
    places = ENDS if len(means) > max(ENDS) else (0, -1)
    return [(f"the mean of class {means[at][0]}", torch.tensor(means[at][1])) for at in places]


def _curves(run: Run, place: str, version: str) -> dict[str, Any]:
    """Learning curves of every quantity, in a reader's order, and the quantities' names."""
    metrics = run.metrics()
    names = figures.quantities(metrics)
    if not names:
        return {"curves": {}, "quantities": {}}
    urls = {seen: f"{place}samples/{path.name}{version}" for seen, path in run.samples().items()}
    shown = [curves_view.with_samples(run, metrics, urls)]
    titles = {name: figures.TITLES.get(name, name) for name in names}
    curves = {
        name: curves_data(
            figure=figures.learning_curves([(run, metrics)], name),
            runs=shown,
            label=f"{title} over the epochs",
            plotly=PLOTLY,
            name=curves_view.file_name(run.id, name),
        )
        for name, title in titles.items()
    }
    return {"curves": curves, "quantities": titles}


def _as_files(plain: Any, folder: Path, place: str, version: str, name: str = "") -> Any:
    """The same with each picture in it as a file of the folder, and its address instead."""
    if isinstance(plain, dict):
        return {
            key: _as_files(part, folder, place, version, f"{name}-{key}".strip("-"))
            for key, part in plain.items()
        }
    picture = PICTURE.fullmatch(plain) if isinstance(plain, str) else None
    if not picture:
        return plain
    file = f"{name}.{picture[1]}"
    (folder / file).write_bytes(base64.b64decode(picture[2]))
    return f"{place}{file}{version}"


def _write_shared(chosen: Sequence[Run], work: Path) -> None:
    (work / "widgets").mkdir()
    for name, content in widgets.MODULES.items():
        (work / "widgets" / name).write_bytes(content)
    shutil.copy(SITE / "site.js", work)
    styles = [widgets.FOLDER / f"{name}.css" for name in ("widget", *WIDGETS)]
    css = "\n".join(path.read_text("utf-8") for path in (*styles, SITE / "site.css"))
    (work / "site.css").write_text(css, "utf-8")
    shutil.copy(SITE.parent / "icon.png", work)
    (work / PLOTLY).write_bytes(_compressed(routes.PLOTLY))
    (work / RUNTIME).mkdir()
    for name, (file, _) in runtime.FILES.items():
        if name == runtime.WASM:
            content = _compressed(runtime.FOLDER / file)
            (work / RUNTIME / f"{name}.gz").write_bytes(content)
        else:
            shutil.copy(runtime.FOLDER / file, work / RUNTIME / name)
    page = Template((SITE / "index.html").read_text("utf-8")).substitute(
        title=escape(chosen[0].title),
        about=escape(shared.size(chosen[0])),
        ids=escape(" ".join(run.id for run in chosen)),
        choice=_choice(chosen) if len(chosen) > 1 else "",
        modules=_modules(),
    )
    (work / "index.html").write_text(page, "utf-8")


def _modules() -> str:
    """Has a browser ask for all of them at once."""
    parts = dict.fromkeys(part for name in WIDGETS for part in widgets.parts(f"{name}.js"))
    return "\n".join(f'<link rel="modulepreload" href="widgets/{part}">' for part in parts)


def _choice(chosen: Sequence[Run]) -> str:
    links = "".join(f'<li><a href="?run={run.id}">{escape(run.title)}</a></li>' for run in chosen)
    return f'<nav aria-label="Models"><ul>{links}</ul></nav>'


def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)


def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 0 done, 2 a mistake (in one sentence)."""
    parser = argparse.ArgumentParser(
        prog="python -m genmodels.export",
        description="Writes runs as pages for any file server, with no Python behind them.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run, by its id or folder")
    parser.add_argument("--out", type=Path, required=True, help="a folder that is new or empty")
    options = parser.parse_args(arguments)
    try:
        out = runs.absolute(options.out)
        chosen = [runs.find(name) for name in options.runs]
        with tqdm(dynamic_ncols=True, leave=False) as bar:

            def progress(what: str, done: int, total: int) -> None:
                bar.set_description_str(what, refresh=False)
                bar.total = total
                bar.update(done - bar.n)
                bar.refresh()

            export(chosen, out, progress)
    except GenmodelsError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.1f} MB; look at it with: python -m http.server -d {out}")
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
