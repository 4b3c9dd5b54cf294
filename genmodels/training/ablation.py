"""What each change contributes: `python -m genmodels ablation vae-mnist`.

A ladder begins with a recipe of the report and adds one means after another, each trained for
equally many epochs. With `seeds`, whole recipes are trained from several seeds.
Every training is a run of its own, measured, and kept in checkpoints/ablations/ as a run folder
without weights, which the Learning curves page and the README's tables are made from.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, NamedTuple

import tyro
from typing_extensions import Doc

from genmodels import paths, recipes, runs
from genmodels.command_line import Bar, command, parse
from genmodels.errors import RunError
from genmodels.recipes import RECIPES, Recipe
from genmodels.runs import Run

PROGRAM = "genmodels ablation"
SAMPLES = 10_000
METRICS = {
    "frechet": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "nearness": "distance to training images",
}
"""What the tables show, and how they call it."""


@dataclass(frozen=True)
class Step:
    """One means more than the step before: its name and what it changes in the recipe."""

    title: str
    changes: dict[str, Any]


EPOCHS = {"vae-mnist": 1, "gan-mnist": 2}
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
        Step("Gaussians of classes", {"prior": "classes", "components": 2}),
    ),
    "gan-mnist": (
        Step("The report's", {}),
        Step(
            "Convolutions, smaller batches and latents",
            {
                "network": "convolutional",
                "latent_dim": 32,
                "feature_maps": 40,
                "discriminator_feature_maps": 60,
                "generator_norm": "batch",
                "batch_size": 64,
            },
        ),
        Step("Spectral norm, hinge", {"discriminator_norm": "spectral", "loss": "hinge"}),
        Step(
            "Twice the learning rates",
            {"generator_learning_rate": 4e-4, "discriminator_learning_rate": 4e-4},
        ),
        Step("Averaged weights, cosine", {"weight_average": 0.999, "schedule": "cosine"}),
        Step("Classes", {"prior": "classes"}),
        Step("Mode seeking", {"mode_seeking_weight": 0.07}),
    ),
}


SEEDS = 3
SEEDED = ("vae-mnist-plus", "gan-mnist-plus")
NAMES = (*LADDERS, "seeds")


class Trial(NamedTuple):
    """One training of those that are compared."""

    title: str
    recipe_name: str
    recipe: Recipe


def trials(name: str) -> list[Trial]:
    """The steps of a ladder, or each seed of `SEEDED`. Raises RecipeError."""
    if name not in NAMES:
        raise recipes.RecipeError(f"there is no ladder {name!r}; name {' or '.join(NAMES)}.")
    if name == "seeds":
        return [
            Trial(
                f"{recipe}, seed {seed}",
                recipe,
                dataclasses.replace(RECIPES[recipe], seed=seed, distance_every=2),
            )
            for seed in range(SEEDS)
            for recipe in SEEDED
        ]
    recipe = dataclasses.replace(RECIPES[name], epochs=EPOCHS[name], distance_every=1)
    found = []
    for step in LADDERS[name]:
        recipe = dataclasses.replace(recipe, **step.changes)
        found.append(Trial(step.title, name, recipe))
    return found


def kept(name: str) -> list[Run]:
    """The trainings that are over and measured, in their order."""
    found = []
    for number, trial in enumerate(trials(name), 1):
        folder = paths.ABLATIONS / name / str(number)
        if (folder / "recipe.json").exists():
            run = runs.open_run(folder)
            if run.recipe == trial.recipe:  # Not what an earlier version trained.
                found.append(run)
    return found


def measured(run: Run, metric: str) -> float | None:
    """A measurement of a run; None where it was not computed."""
    return next((e["value"] for e in run.evaluation() if e["metric"] == metric), None)


def climb(name: str) -> None:
    """Trains and measures what is not kept yet. Raises GenmodelsError."""
    from genmodels import evaluation

    from . import loop

    paths.check_writable(paths.runs(), paths.cache(), paths.ABLATIONS)
    for number, (title, recipe_name, recipe) in enumerate(trials(name), 1):
        place = paths.ABLATIONS / name / str(number)
        if place.exists() and runs.open_run(place).recipe == recipe:
            continue
        print(f"{name}, {number}: {title}")
        folder = paths.runs() / f"ablation-{name}-{number}"
        begun = (folder / "recipe.json").exists()
        if begun and runs.open_run(folder).recipe != recipe:
            raise RunError(f"{folder} is of another recipe; delete or rename it.")
        if not begun or runs.open_run(folder).status().state != "done":
            loop.fit(recipe_name, recipe, folder, resume=begun, title=title)
        run = runs.open_run(folder)
        with Bar() as bar:
            evaluation.save(run, evaluation.evaluate(run, samples=SAMPLES, progress=bar))
        keep(run, place)


def keep(run: Run, place: Path) -> None:
    """Copies a step's run without its weights, and of its samples the last."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "samples").mkdir(parents=True)
    for name in ("metrics.jsonl", "status.json", "evaluation.json", "recipe.json"):
        shutil.copy(run.path / name, place / name)
    shutil.copy(list(run.samples().values())[-1], place / "samples")


def table(name: str) -> str:
    """What was measured of a ladder, or of seeds, as a Markdown table."""
    rows = seeds_rows() if name == "seeds" else ladder_rows(name)
    rows.insert(1, ("---",) * len(rows[0]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def ladder_rows(name: str) -> list[tuple[str, ...]]:
    """A row for each step."""
    rows = [("step", "parameters", "minutes", *METRICS.values())]
    for run in kept(name):
        values = [measured(run, metric) for metric in METRICS]
        rows.append(
            (
                f"+ {run.title}" if len(rows) > 1 else run.title,
                " + ".join(f"{count:,}" for count in run.parameters.values()),
                f"{runs.seconds(run.metrics()) / 60:.0f}",
                *("not computed" if value is None else f"{value:.3g}" for value in values),
            )
        )
    return rows


def seeds_rows() -> list[tuple[str, ...]]:
    """A row for each recipe that was trained from two seeds or more."""
    rows = [("recipe", "seeds", *METRICS.values())]
    for recipe in SEEDED:
        found = [run for run in kept("seeds") if run.info["recipe_name"] == recipe]
        if len(found) > 1:
            cells = [over_seeds([measured(run, metric) for run in found]) for metric in METRICS]
            rows.append((f"`{recipe}`", str(len(found)), *cells))
    return rows


def over_seeds(values: list[float | None]) -> str:
    """Mean and standard deviation, as text."""
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return "not computed"
    return f"{mean(numbers):.3g} ± {stdev(numbers):.1g}"


@dataclass(frozen=True)
class Options:
    """Trains and measures one change after another, and whole recipes from several seeds.

    Example: genmodels ablation vae-mnist
    """

    names: Annotated[
        tyro.conf.Positional[tuple[str, ...]], Doc(f"Of {', '.join(NAMES)}; all by default.")
    ] = ()


@command(PROGRAM)
def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 0 done, 2 a mistake (in one sentence)."""
    for name in parse(Options, arguments, PROGRAM).names or NAMES:
        climb(name)
        print(table(name))
    return 0
