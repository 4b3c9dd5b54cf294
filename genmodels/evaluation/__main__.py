"""Measures runs and writes their evaluation.json: `python -m genmodels evaluate vae-mnist`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from typing_extensions import Doc

from genmodels import paths, runs, terminal
from genmodels.command_line import Bar, command, parse, refuse
from genmodels.errors import GenmodelsError, RunError
from genmodels.models.devices import choose_device
from genmodels.runs import Damaged, Run

from . import evaluate, features, save

PROGRAM = "genmodels evaluate"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measures samples of runs against real images, and writes it into the runs.

    Example: genmodels evaluate vae-mnist --samples 10000
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[str, ...]], Doc("Runs, by their ids or folders.")
    ] = ()
    every: Annotated[
        bool, tyro.conf.arg(name="all"), Doc("Every run that makes images, instead.")
    ] = False
    samples: Annotated[int, Doc("Samples to measure.")] = 10_000
    seed: Annotated[int, Doc("Fixes the samples.")] = 0
    features: Annotated[
        Literal["classifier", "inception"],
        Doc("Whose features: the data set's classifier's, or Inception's, which make it FID."),
    ] = "classifier"
    judge: Annotated[
        str | None, Doc("Another classifier's run, whose features are measured by instead.")
    ] = None
    weights: Annotated[
        Path | None,
        Doc("File of Inception's weights; None takes GENMODELS_INCEPTION, else torch hub's."),
    ] = None
    data_dir: Annotated[
        Path | None, Doc("Folder of the data sets; None takes GENMODELS_DATA, else data/.")
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], Doc("Where to compute; auto takes the fastest.")
    ] = "auto"
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Doc("Arithmetic of the features; bfloat16 is faster, and its values are apart."),
    ] = "float32"


@command(PROGRAM)
def main(arguments: Sequence[str]) -> int:
    """Measures; gives the exit status: 0 done, 2 a mistake (in one sentence), 130 interrupted."""
    options = parse(Options, arguments, PROGRAM)
    if bool(options.runs) == options.every:
        raise GenmodelsError("name the runs to measure, or give --all, but not both.")
    chosen = choose(options)
    places = [run.path for run in chosen if isinstance(run, Run)]
    paths.check_writable(paths.cache(), *places)
    if options.features == "inception":
        # Told once, not for each run.
        features.find_inception(options.weights)
    status = 0
    try:
        for run in chosen:
            try:
                measure(run, options)
            except GenmodelsError as error:
                status = refuse(PROGRAM, error)
    except KeyboardInterrupt:
        print(
            "interrupted; runs that were measured before are written", file=sys.stderr, flush=True
        )
        return 130
    return status


def choose(options: Options) -> list[Run | Damaged]:
    """The runs to measure. Raises RunError."""
    if not options.every:
        return [runs.find(name) for name in options.runs]
    return [run for run in runs.list_runs() if isinstance(run, Damaged) or not run.recipe.hidden]


def measure(run: Run | Damaged, options: Options) -> None:
    """Measures one run, writes it down and prints the table. Raises GenmodelsError."""
    if isinstance(run, Damaged):
        raise RunError(run.reason)
    run.evaluation()  # What can't be read can't be added to.
    with Bar() as bar:
        entries = evaluate(
            run,
            options.features if options.judge is None else judge(options),
            samples=options.samples,
            seed=options.seed,
            data_folder=options.data_dir,
            weights_file=options.weights,
            device=options.device,
            precision=options.precision,
            progress=bar,
        )
    trouble = None
    try:
        save(run, entries)
    except (GenmodelsError, OSError) as error:
        trouble = error
    print(table(run, entries), flush=True)
    if trouble is not None:
        raise RunError(
            f"{run.id}: the values above could not be stored ({trouble}); keep them, or make "
            f"{run.path} writable and measure again."
        ) from trouble


def judge(options: Options) -> features.Extractor:
    """The features of the classifier that was named. Raises GenmodelsError."""
    assert options.judge is not None
    device = choose_device(options.device)
    run = runs.find(options.judge)
    return features.classifier(run, device=device, precision=options.precision)


def table(run: Run, entries: list[dict]) -> str:
    """The measurements, for reading."""
    first = entries[0]
    real, floor = first["real"], first["floor"]
    lines = [
        f"{run.id}: {first['samples']:,} samples against {real['images']:,} images "
        f"({real['dataset']}, {real['split']}); floor: {floor['images']:,} of {floor['split']}"
    ]
    width = max(len(entry["title"]) for entry in entries)
    for entry in entries:
        error = "" if entry["error"] is None else f"± {entry['error']:.2g}"
        value, least = f"{entry['value']:.4g}", f"{entry['floor']['value']:.4g}"
        lines.append(f"  {entry['title']:{width}}  {value:>9} {error:10} floor {least:>9}")
    return "\n".join(lines)


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
