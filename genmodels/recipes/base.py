"""What every recipe has: its fields with their types, limits and explanations."""

import dataclasses
import re
import typing
from dataclasses import dataclass
from functools import lru_cache
from reprlib import repr as short
from typing import Annotated, Any, ClassVar, Literal

from typing_extensions import Doc

from genmodels.errors import RecipeError


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set without opening it."""

    title: str
    shape: tuple[int, int, int]
    """Channels, height and width of an image."""
    classes: tuple[str, ...]


DATASETS = {
    "mnist": DataSet("MNIST", (1, 28, 28), tuple("0123456789")),
    "imagenette": DataSet(
        "Imagenette",
        (3, 64, 64),
        (
            "tench",
            "English springer",
            "cassette player",
            "chain saw",
            "church",
            "French horn",
            "garbage truck",
            "gas pump",
            "golf ball",
            "parachute",
        ),
    ),
}


@dataclass(frozen=True)
class Range:
    """The smallest and the largest value a number of a recipe may have."""

    low: float
    high: float


ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What an id of a run or of a picture set looks like; it may become the name of a folder."""
DISTANCE_SAMPLES = 2000
"""How many fixed latents `distance_every` measures."""
Norm = Literal["none", "batch"]
LearningRate = Range(1e-7, 1.0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the recipes of every family have."""

    family: ClassVar[str]
    family_title: ClassVar[str]
    hidden: ClassVar[bool] = False
    """Whether its runs serve others, and galleries leave them out."""
    network_sizes: ClassVar[dict[str, tuple[int, ...]]] = {}
    """The sizes of images that a kind of network takes, where it does not take all."""

    dataset: Annotated[
        Literal["mnist", "imagenette"],
        Doc("The images to learn from; with own pictures only their shape."),
    ]
    network: Annotated[
        Literal["linear", "convolutional", "residual"],
        Doc("Kind of layers; residual blocks convolve twice and add what came in."),
    ]
    epochs: Annotated[int, Range(1, 10_000), Doc("Passes over the training images.")]
    batch_size: Annotated[
        int, Range(1, 4096), Doc("Images in each step, in each of several processes.")
    ]
    train_limit: Annotated[
        int | None,
        Range(2, 10_000_000),
        Doc("Train on this many images only, drawn over the classes by the seed; None takes all."),
    ] = None
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Doc("Arithmetic inside the networks; auto takes bfloat16 where the hardware has it."),
    ] = "auto"
    seed: Annotated[
        int,
        Range(0, 2**31 - 1),
        Doc("Fixes initial weights, noise, and which images are taken in which order."),
    ] = 0
    pictures: Annotated[
        str | None, Doc("Id of a set of own pictures to learn from; None takes the data set.")
    ] = None

    @property
    def title(self) -> str:
        return f"{self.family_title} on {self.pictures or DATASETS[self.dataset].title}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return DATASETS[self.dataset].shape

    @property
    def class_count(self) -> int:
        """How many classes its model can tell apart; own pictures are all of one."""
        return len(DATASETS[self.dataset].classes) if self.pictures is None else 1

    def problems(self) -> dict[str, str]:
        """A sentence for each field that cannot be trained, by the field's name."""
        problems = {}
        for name, (kind, low, high) in field_types(type(self)).items():
            problem = _problem(getattr(self, name), kind, low, high)
            if problem:
                problems[name] = f"{name.replace('_', ' ')} {problem}."
        known = not {"dataset", "network"} & problems.keys()
        sizes = self.network_sizes.get(self.network) if known else None
        if sizes and self.shape[1] not in sizes:
            problems["network"] = (
                f"network must not be {self.network}: {DATASETS[self.dataset].title} is "
                f"{self.shape[1]}x{self.shape[2]}, and these networks take "
                f"{' or '.join(f'{size}x{size}' for size in sizes)}."
            )
        return problems

    def check(self) -> None:
        """Raises RecipeError with the first problem, if there is one."""
        for problem in self.problems().values():
            raise RecipeError(problem)

    @property
    def smallest_batch(self) -> int:
        """How many images a training step needs: two where a batch is normalised between linear
        layers, where one image alone has no variance."""
        norms = [getattr(self, name) for name in field_types(type(self)) if name.endswith("_norm")]
        return 2 if self.network == "linear" and "batch" in norms else 1

    def check_images(self, count: int) -> None:
        """Raises RecipeError where it can't be trained, by one process, on this many images."""
        count = min(count, self.train_limit or count)
        check_last_batch(count, self.batch_size, self.smallest_batch)


def check_last_batch(
    count: int, batch_size: int, needed: int, processes: int = 1, unit: int = 1
) -> None:
    """Raises RecipeError where a process gets fewer than `needed` images of the last batch.

    `batch_size` is that of each process; each `unit` neighbours stay together.
    """
    whole = batch_size * processes
    last = (count - 1) % whole + 1
    units = -(-last // unit)
    # The last process gets fewest, and what is left over.
    if units // processes * unit - (units * unit - last) < needed:
        each = f" in each of {processes} processes" if processes > 1 else ""
        raise RecipeError(
            f"the last batch of {count:,} images in batches of {whole} "
            f"holds {'one image' if last == 1 else f'{last} images'}, and batch normalisation "
            f"needs {'two' if needed == 2 else 'one'}{each}; change the batch size."
        )


class FieldType(typing.NamedTuple):
    """The type of a recipe's field and, for a number, its limits."""

    kind: Any
    low: float
    high: float


def field_types(recipe_class: type[Recipe]) -> dict[str, FieldType]:
    """The type and limits of each field, in the order of the class."""
    return dict(_field_types(recipe_class))


@lru_cache(maxsize=16)  # Asked of every run at every rerun of a page.
def _field_types(recipe_class: type[Recipe]) -> dict[str, FieldType]:
    hints = typing.get_type_hints(recipe_class, include_extras=True)
    types = {}
    for field in dataclasses.fields(recipe_class):
        kind, *notes = typing.get_args(hints[field.name])
        limits = next((note for note in notes if isinstance(note, Range)), Range(0, 0))
        types[field.name] = FieldType(kind, limits.low, limits.high)
    return types


def field_help(recipe_class: type[Recipe]) -> dict[str, str]:
    """The sentence that explains each field."""
    hints = typing.get_type_hints(recipe_class, include_extras=True)
    return {
        field.name: next(
            note.documentation
            for note in typing.get_args(hints[field.name])
            if isinstance(note, Doc)
        )
        for field in dataclasses.fields(recipe_class)
    }


def _problem(value: Any, kind: Any, low: Any, high: Any) -> str | None:
    """What is wrong with a field's value, or None."""
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else None
    if choices is not None:
        problem = f"must be one of {', '.join(choices)}, not {short(value)}"
        return None if value in choices else problem
    if value is None and type(None) in typing.get_args(kind):
        return None
    if str in typing.get_args(kind):
        if isinstance(value, str) and ID.fullmatch(value):
            return None
        return f"must be an id of small letters, digits, dots and dashes, not {short(value)}"
    whole = kind is not float
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # NaN is in no range.
        noun = "a whole number" if whole else "a number"
        return f"must be {noun} from {low:g} to {high:,g}, not {short(value)}"
    return None


def differences(first: Recipe, second: Recipe) -> dict[str, tuple[Any, Any]]:
    """The fields in which two recipes differ, with both values; None for a field one lacks."""
    fields = {**field_types(type(first)), **field_types(type(second))}
    pairs = {
        name: (getattr(first, name, None), getattr(second, name, None))
        for name in ("family", *fields)
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def listed(names: typing.Iterable[str]) -> str:
    return ", ".join(sorted(names))
