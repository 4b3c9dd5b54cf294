"""The README's tables of the shipped runs; `python -m genmodels.table` writes them anew."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import ablation, figures, folders, runs
from .runs import Run

BEGIN, END = "<!-- runs: python -m genmodels.table -->", "<!-- /runs -->"
ABLATIONS = "<!-- ablations: python -m genmodels.table -->", "<!-- /ablations -->"
COLUMNS = ("run", "parameters", "training", "time", "held-out losses (nats)", "samples")


def row(run: Run) -> list[str]:
    """The cells of one run."""
    metrics = run.metrics()
    last = [line for line in metrics if line["split"] == "val"][-1]
    minutes = sum(line["seconds"] for line in metrics) / 60
    skipped = figures.NOT_MEASURED
    losses = [f"{name} {value:.4g}" for name, value in last.items() if name not in skipped]
    entries = run.evaluation()
    # The features are the same in all titles' brackets, so they are named once.
    measured = [f"{entry['title'].split(' (')[0]} {entry['value']:.3g}" for entry in entries]
    if entries:
        measured.append(f"{entries[0]['samples']:,} samples, features of {entries[0]['features']}")
    resolved = run.info["resolved"]
    return [
        f"`{run.id}`",
        " + ".join(f"{count:,}" for count in run.parameters.values()),
        f"{last['epoch']} epochs, batch {run.recipe.batch_size}, {resolved['precision']}",
        f"{minutes:.0f} min on {resolved['threads']} {resolved['device']} threads",
        ", ".join(losses).replace("_", " "),
        "; ".join(measured) or "not computed",
    ]


def table() -> str:
    """All shipped runs as a Markdown table."""
    found = [run for run in runs.list_runs() if isinstance(run, Run)]
    shipped = [run for run in found if run.shipped and not run.recipe.hidden]
    return markdown(COLUMNS, [row(run) for run in shipped])


def ablations() -> str:
    """What each means buys, a table for each ladder that was climbed."""
    climbed = [name for name in ablation.LADDERS if ablation.kept(name)]
    return "\n\n".join(
        f"From `{name}`, {ablation.EPOCHS[name]} epochs each:\n\n{ablation.table(name)}"
        for name in climbed
    )


def updated(text: str) -> str:
    """A README's text with the tables between their marks made anew."""
    for begin, end, made in ((BEGIN, END, table()), (*ABLATIONS, ablations())):
        text = between(text, begin, end, made)
    return text


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def between(text: str, begin: str, end: str, made: str) -> str:
    """A text with something else between two marks in it."""
    before, rest = text.split(begin)
    return f"{before}{begin}\n{made}\n{end}{rest.split(end)[1]}"


def main(path: Path = folders.REPOSITORY / "README.md") -> int:
    path.write_text(updated(path.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
