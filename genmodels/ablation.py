"""What each means buys: `python -m genmodels.ablation vae-mnist`.

A ladder begins with a recipe of the report and adds one means after another. Every step is trained
for equally many epochs into a run of its own, measured, and kept in checkpoints/ablations/ as a run
folder without weights, which the Learning curves page and the README's table are made from.
"""

import dataclasses
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import folders, recipes, runs
from .errors import GenmodelsError
from .recipes import Recipe
from .runs import Run

SAMPLES = 10_000


@dataclass(frozen=True)
class Step:
    """One means more than the step before: its name and what it changes in the recipe."""

    title: str
    changes: dict[str, Any]


EPOCHS = {"vae-mnist": 6, "gan-mnist": 4}
LADDERS: dict[str, tuple[Step, ...]] = {
    "vae-mnist": (
        Step("The report's", {}),
        Step(
            "Residual convolutions",
            {
                "network": "residual",
                "feature_maps": 8,
                "encoder_norm": "batch",
                "decoder_norm": "batch",
            },
        ),
        Step("Calibrated variance", {"likelihood": "gaussian"}),
        Step("Averaged weights, cosine", {"weight_average": 0.999, "schedule": "cosine"}),
        Step("Gaussians of classes", {"prior": "classes", "components": 5}),
    ),
    "gan-mnist": (
        Step("The report's", {}),
        Step(
            "Convolutions",
            {
                "network": "convolutional",
                "feature_maps": 28,
                "discriminator_feature_maps": 48,
                "generator_norm": "batch",
                "batch_size": 64,
            },
        ),
        Step("Spectral norm, hinge", {"discriminator_norm": "spectral", "loss": "hinge"}),
        Step("Averaged weights, cosine", {"weight_average": 0.999, "schedule": "cosine"}),
        Step("Gaussians of classes", {"prior": "classes"}),
    ),
}


def ladder(name: str) -> dict[str, Recipe]:
    """The recipes of a ladder by the titles of their steps. Raises RecipeError."""
    if name not in LADDERS:
        raise recipes.RecipeError(f"there is no ladder {name!r}; name {' or '.join(LADDERS)}.")
    recipe = dataclasses.replace(recipes.named(name), epochs=EPOCHS[name], distance_every=1)
    found = {}
    for step in LADDERS[name]:
        recipe = dataclasses.replace(recipe, **step.changes)
        found[step.title] = recipe
    return found


def kept(name: str) -> list[Run]:
    """The steps that were trained and measured, in their order."""
    steps = (folders.ABLATIONS / name / str(number) for number in range(1, len(LADDERS[name]) + 1))
    return [runs.open_run(folder) for folder in steps if (folder / "recipe.json").exists()]


def measured(run: Run, metric: str) -> float | None:
    """A measurement of a step; None where it was not computed."""
    return next((e["value"] for e in run.evaluation() if e["metric"] == metric), None)


def climb(name: str) -> None:
    """Trains and measures the steps that are not kept yet. Raises GenmodelsError."""
    from . import evaluation, training
    from .evaluation.__main__ import Bar

    for number, (title, recipe) in enumerate(ladder(name).items(), 1):
        place = folders.ABLATIONS / name / str(number)
        if place.exists() and runs.open_run(place).recipe == recipe:
            continue
        print(f"{name}, step {number}: {title}")
        folder = folders.runs() / f"ablation-{name}-{number}"
        begun = (folder / "recipe.json").exists()
        if not begun or runs.open_run(folder).status().state != "done":
            training.fit(name, recipe, folder, resume=begun, title=title)
        run = runs.open_run(folder)
        evaluation.save(run, evaluation.evaluate(run, samples=SAMPLES, progress=Bar()))
        keep(run, place)


def keep(run: Run, place: Path) -> None:
    """Copies a step's run without its weights, and of its samples the last."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "samples").mkdir(parents=True)
    for name in ("metrics.jsonl", "status.json", "evaluation.json", "recipe.json"):
        shutil.copy(run.path / name, place / name)
    shutil.copy(list(run.samples().values())[-1], place / "samples")


def table(name: str) -> str:
    """A ladder as a Markdown table."""
    rows = [("step", "parameters", "minutes", "Fréchet distance", "precision", "recall")]
    rows += [("---",) * len(rows[0])]
    for run in kept(name):
        seconds = sum(line["seconds"] for line in run.metrics())
        values = [measured(run, metric) for metric in ("frechet", "precision", "recall")]
        rows.append(
            (
                f"+ {run.title}" if len(rows) > 2 else run.title,
                " + ".join(f"{count:,}" for count in run.parameters.values()),
                f"{seconds / 60:.0f}",
                *("not computed" if value is None else f"{value:.3g}" for value in values),
            )
        )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def main(names: list[str]) -> int:
    try:
        for name in names or list(LADDERS):
            climb(name)
            print(table(name))
    except GenmodelsError as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
