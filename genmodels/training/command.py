"""The command line of train.py: a recipe's name, then every field of it as an option."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from typing_extensions import Doc

from genmodels import paths, recipes, runs
from genmodels.command_line import Bar, told
from genmodels.errors import GenmodelsError, RecipeError
from genmodels.recipes import RECIPES, Recipe

from . import processes
from .progress import Stopped

PROGRAM = "train.py"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and how a recipe is trained."""

    run_dir: Annotated[
        Path | None, Doc("The run folder; None makes the next free runs/<recipe>-<n>.")
    ] = None
    data_dir: Annotated[
        Path | None, Doc("Folder of the data sets; None takes GENMODELS_DATA, else data/.")
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], Doc("Where to compute; auto takes the fastest.")
    ] = "auto"
    resume: Annotated[
        bool, Doc("Go on from the last committed epoch of --run-dir, with its recipe.")
    ] = False
    title: Annotated[str, Doc("A name for people; by default the recipe's.")] = ""
    images: Annotated[
        Path | None, Doc("A folder or a zip of own pictures to learn from: makes a set of them.")
    ] = None
    sync_batch_norm: Annotated[
        bool, Doc("Under torchrun, normalise a batch over all processes; on GPUs only.")
    ] = False


def main(arguments: Sequence[str], program: str = PROGRAM) -> int:
    """Trains; gives the exit status: 0 done, 2 a mistake (in one sentence), 130 stopped."""
    with processes.group():
        status, sentence = train(arguments, program)
        if processes.RANK == 0:
            print(sentence, file=sys.stderr if status == 2 else sys.stdout, flush=True)
    return status


def train(arguments: Sequence[str], program: str) -> tuple[int, str]:
    """Trains; gives the exit status and what to say. Of several processes all get the same."""
    folder = None
    try:
        name, recipe, options, folder = processes.on_rank_0(lambda: choose(arguments, program))
        # Only now, so that a mistake is told at once: torch takes seconds to load.
        from . import loop

        loop.fit(
            name,
            recipe,
            folder,
            device=options.device,
            data_folder=options.data_dir,
            resume=options.resume,
            title=options.title,
            sync_batch_norm=options.sync_batch_norm,
        )
    except GenmodelsError as error:
        if processes.RANK == 0 and folder and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        return 2, f"{program}: {error}"
    except Stopped as stopped:
        start = "python train.py" if program == PROGRAM else program
        if processes.WORLD > 1:
            start = f"torchrun --nproc-per-node {processes.LOCAL_WORLD} train.py"
        return 130, f"{stopped}; go on with: {start} {name} --run-dir {folder} --resume"
    return 0, f"done: {folder}"


def choose(arguments: Sequence[str], program: str = PROGRAM) -> tuple[str, Recipe, Options, Path]:
    """What to train, how and in which folder. Raises GenmodelsError."""
    name, recipe, options = parse(arguments, program)
    if options.images is not None:
        recipe = on_own_pictures(recipe, options.images)
    folder = prepare_folder(name, options)
    if options.resume:
        name, recipe = recorded(folder, recipe, arguments)
    return name, recipe, options, folder


def parse(arguments: Sequence[str], program: str) -> tuple[str, Recipe, Options]:
    """A recipe's name, the recipe as changed, and the other options. Raises GenmodelsError."""
    configs = {name: (recipe.title, _options_of(recipe)) for name, recipe in RECIPES.items()}
    chosen = arguments[0] if arguments else ""
    if not chosen.startswith("-"):
        recipes.named(chosen)
    both = told(
        lambda: tyro.extras.overridable_config_cli(configs, prog=program, args=list(arguments))
    )
    recipe_class = type(RECIPES[chosen])
    recipe = recipe_class(**_part(both, recipe_class))
    recipe.check()
    return chosen, recipe, Options(**_part(both, Options))


def on_own_pictures(recipe: Recipe, source: Path) -> Recipe:
    """The recipe on the set of a folder or a zip. Raises RecipeError, DataError, RunError."""
    if recipe.pictures is not None:
        raise RecipeError("--images and --pictures both name own pictures; give one of them.")
    # What no set can mend is told before one is made.
    dataclasses.replace(recipe, pictures="made-below").check()
    paths.check_writable(paths.runs())
    from genmodels.data import own_pictures

    with Bar() as bar:
        chosen = own_pictures.from_path(source, bar)
    print(f"learning from the picture set {chosen.id}: {chosen.about}")
    for found in chosen.left_out:
        advice = f"; {found.advice}" if found.advice else ""
        print(f"left out, {found.reason}: {found.listed}{advice}")
    for warning in chosen.warnings:
        print(warning)
    return dataclasses.replace(recipe, pictures=chosen.id)


def prepare_folder(name: str, options: Options) -> Path:
    """The folder to train in: new, empty, or one to resume. Raises RecipeError."""
    folder = options.run_dir
    if options.resume:
        if folder is None:
            raise RecipeError("--resume needs --run-dir with the run to go on with.")
        found = runs.find(folder).path
        paths.check_writable(found)
        return found
    if folder is None:
        return runs.new_folder(name)
    folder = runs.absolute(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(
            f"{folder} is not empty; choose another --run-dir, or go on with it by --resume."
        )
    if folder.parent == paths.runs() and (paths.CHECKPOINTS / folder.name).exists():
        raise RecipeError(f"{folder.name} is the id of a shipped run; choose another --run-dir.")
    if not runs.ID.fullmatch(folder.name):
        raise RecipeError(
            f"{folder.name!r} cannot be a run's id: use small letters, digits, dots and dashes."
        )
    paths.check_writable(folder)
    return folder


def recorded(folder: Path, typed: Recipe, arguments: Sequence[str]) -> tuple[str, Recipe]:
    """The recipe of the run to resume. Only its number of epochs may be changed.

    Raises RecipeError when the arguments ask for anything else, or nothing is left to do.
    """
    run = runs.open_run(folder)
    name = run.info.get("recipe_name") or arguments[0]
    if arguments[0] != name:
        raise RecipeError(f"{run.id} is a training of {name}; resume it under that name.")
    words = {word.split("=")[0].replace("_", "-") for word in arguments}
    if "--images" in words:
        words.add("--pictures")
    for field in recipes.field_types(type(typed)):
        given = "--" + field.replace("_", "-") in words
        if (
            given
            and field != "epochs"
            and getattr(typed, field) != getattr(run.recipe, field, None)
        ):
            raise RecipeError(
                f"{run.id} was begun with {field.replace('_', ' ')} "
                f"{getattr(run.recipe, field, None)}, and a resumed training cannot change it."
            )
    epochs = typed.epochs if "--epochs" in words else run.recipe.epochs
    run.check_resume(epochs)
    return name, dataclasses.replace(run.recipe, epochs=epochs)


def _options_of(recipe: Recipe):
    """Recipe and options as one flat dataclass, as the command line shows them."""
    both = make_dataclass("Both", [], bases=(Options, type(recipe)), frozen=True, kw_only=True)
    return both(**dataclasses.asdict(recipe))


def _part(both, part: type) -> dict:
    return {field.name: getattr(both, field.name) for field in dataclasses.fields(part)}
