"""The README's tables of the shipped runs; `python -m genmodels tables` writes them anew."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typing_extensions import Doc

from genmodels import paths, runs
from genmodels.command_line import command, parse
from genmodels.recipes import DATASETS, REPORT
from genmodels.runs import Run, schemas
from genmodels.training import ablation

PROGRAM = "genmodels tables"
COLUMNS = ("run", "parameters", "training", "time", "held-out losses (nats)")
MEASURED = {
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "nearness": "distance to training images",
    "spread": "spread",
    "sure": "class above 90%",
    "classes": "classes",
}
"""Of the samples, and how the table calls it."""
WIDTH = 320
"""Pixels of the 64 samples of a run on the README's page."""


def row(run: Run) -> list[str]:
    """The cells of one run's training."""
    metrics = run.metrics()
    last = [line for line in metrics if line["split"] == "val"][-1]
    minutes = runs.seconds(metrics) / 60
    skipped = schemas.NOT_MEASURED | {"classifier_distance"}
    losses = [f"{name} {value:.4g}" for name, value in last.items() if name not in skipped]
    resolved = run.info["resolved"]
    threads = f"{resolved['threads']} {resolved['device']} thread"
    return [
        f"`{run.id}`",
        " + ".join(f"{count:,}" for count in run.parameters.values()),
        f"{last['epoch']} epochs, batch {run.recipe.batch_size}, {resolved['precision']}",
        f"{minutes:.0f} min on {threads}{'s' * (resolved['threads'] != 1)}",
        ", ".join(losses).replace("_", " "),
    ]


def measurements(run: Run) -> dict[str, dict[str, Any]]:
    """What was measured of a run's samples on our classifier's features, by the metric."""
    judge = f"classifier-{run.recipe.dataset}"
    return {e["metric"]: e for e in run.evaluation() if e["features"] == judge}


def measured_row(run: Run) -> list[str]:
    """The cells of what was measured of one run's samples."""
    entries = measurements(run)
    values = [f"{entries[m]['value']:.3g}" if m in entries else "not computed" for m in MEASURED]
    return [f"`{run.id}`", *values]


def real_row(run: Run) -> list[str]:
    """The same of as many real pictures; those that were measured are training images."""
    entries = measurements(run)
    values = [f"{entries[m]['floor']['value']:.2g}" if m in entries else "" for m in MEASURED]
    return [f"*real pictures of {DATASETS[run.recipe.dataset].title}*", *values]


def shipped() -> list[Run]:
    """The runs of models that make pictures."""
    found = [run for run in runs.list_runs() if isinstance(run, Run)]
    return [run for run in found if run.shipped and not run.recipe.hidden]


def table() -> str:
    """How all shipped runs were trained."""
    return markdown(COLUMNS, [row(run) for run in shipped()])


def samples() -> str:
    """What was measured of all shipped runs' samples, beside real pictures."""
    rows = []
    for dataset in DATASETS:
        mine = [run for run in shipped() if run.recipe.dataset == dataset]
        rows += [real_row(mine[0]), *(measured_row(run) for run in mine)]
    return markdown(("10,000 samples of", *MEASURED.values()), rows) + second_opinion()


def second_opinion() -> str:
    """What another classifier says of runs that learnt from what the first one sees."""
    values: dict[str, list[str]] = {}
    for run in shipped():
        for entry in run.evaluation():
            judge = entry["features"]
            own = f"classifier-{run.recipe.dataset}"
            if entry["metric"] == "frechet" and judge.startswith("classifier") and judge != own:
                values.setdefault(judge, []).append(f"`{run.id}` {entry['value']:.3g}")
    return "".join(
        f"\n\nFréchet distance by the features of `{judge}`: {', '.join(found)}."
        for judge, found in values.items()
    )


def gallery() -> str:
    """Sixty-four samples of each of the report's models, and of the better one."""
    by_id = {run.id: run for run in shipped()}
    rows = []
    for name in REPORT:
        pair = [by_id[found] for found in (name, f"{name}-plus") if found in by_id]
        rows.append([picture(run) for run in pair] + ["not trained yet"] * (2 - len(pair)))
    return markdown(("the report's", "better, no larger in what draws"), rows)


def picture(run: Run) -> str:
    """The newest stored samples as an HTML image, which Markdown cannot give a width."""
    path = list(run.samples().values())[-1].relative_to(paths.REPOSITORY)
    image = f'<img src="{path}" width="{WIDTH}" alt="Sixty-four samples of {run.id}">'
    return f"`{run.id}`<br>{image}"


def ablations() -> str:
    """What each change contributes: a table for each ladder that was trained."""
    tables = [
        f"From `{name}`, epochs of each step: {ablation.EPOCHS[name]}\n\n{ablation.table(name)}"
        for name in ablation.LADDERS
        if ablation.kept(name)
    ]
    if ablation.kept("seeds"):
        seeds = ablation.table("seeds")
        tables.append(f"Whole trainings from several seeds, mean ± standard deviation:\n\n{seeds}")
    return "\n\n".join(tables) or "Not computed yet."


PARTS = {"runs": table, "samples": samples, "gallery": gallery, "ablations": ablations}
"""What stands between the README's marks of these names."""


def updated(text: str) -> str:
    """A README's text with the tables between their marks made anew."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name}: python -m genmodels tables -->", f"<!-- /{name} -->"
        text = between(text, begin, end, make())
    return text


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def between(text: str, begin: str, end: str, made: str) -> str:
    """A text with something else between two marks in it."""
    before, rest = text.split(begin)
    return f"{before}{begin}\n{made}\n{end}{rest.split(end)[1]}"


@dataclass(frozen=True)
class Options:
    """Writes the tables of the shipped runs anew.

    Example: genmodels tables
    """

    file: Annotated[Path, Doc("Markdown with the tables' marks.")] = paths.REPOSITORY / "README.md"


@command(PROGRAM)
def main(arguments: Sequence[str]) -> int:
    """Gives the exit status: 0 done, 2 a mistake (in one sentence)."""
    path = parse(Options, arguments, PROGRAM).file
    paths.check_writable(path.parent)
    runs.write_atomic(path, updated(path.read_text("utf-8")).encode())
    return 0
