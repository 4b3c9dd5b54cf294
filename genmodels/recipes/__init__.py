"""Recipes: everything that fixes a training, as dataclasses. The named ones are in `RECIPES`.

The fields are the options of `train.py`, the form of the Train page and the "recipe" of a
run's recipe.json. Nothing here imports torch.
"""

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


@dataclass(frozen=True, kw_only=True)
class LatentRecipe(Recipe):
    """What the recipes have whose models turn latents into images."""

    latent_dim: Annotated[int, Range(1, 4096), Doc("Numbers in a latent.")]
    prior: Annotated[
        Literal["normal", "classes"],
        Doc("What latents are drawn from: N(0, 1), or Gaussians of each class."),
    ] = "normal"
    feature_maps: Annotated[
        int,
        Range(1, 512),
        Doc("Channels of the widest image, in a GAN's convolutions and in residual networks."),
    ] = 64
    schedule: Annotated[
        Literal["constant", "cosine"],
        Doc("The learning rates over the training: as they are, or down to 0 along a cosine."),
    ] = "constant"
    weight_average: Annotated[
        float,
        Range(0.0, 0.99999),
        Doc("Decay of the weights' running average, which makes the pictures; 0 takes none."),
    ] = 0.0
    augmentation: Annotated[
        Literal["none", "mirror"],
        Doc("mirror turns half of the training images left to right."),
    ] = "none"
    distance_every: Annotated[
        int | None,
        Range(1, 10_000),
        Doc("Measure 2,000 samples' classifier distance every so many epochs; None never does."),
    ] = None

    def problems(self) -> dict[str, str]:
        problems = super().problems()
        if self.pictures is not None and self.distance_every is not None:
            problems.setdefault(
                "distance_every",
                "distance every must be None with own pictures: our classifier does not know them.",
            )
        return problems


@dataclass(frozen=True, kw_only=True)
class VAERecipe(LatentRecipe):
    """A variational autoencoder (Kingma and Welling 2014)."""

    family = "vae"
    family_title = "VAE"
    network_sizes: ClassVar = {"convolutional": (64,), "residual": (28, 64)}

    learning_rate: Annotated[float, LearningRate, Doc("Adam's, for both networks.")] = 1e-3
    kl_weight: Annotated[
        float, Range(0.0, 1000.0), Doc("Factor on the KL term; 1 is the ELBO, more a beta-VAE.")
    ] = 1.0
    reduction: Annotated[
        Literal["sum", "mean"],
        Doc("Sum the reconstruction over pixels, as the ELBO does, or average it."),
    ] = "sum"
    likelihood: Annotated[
        Literal["bernoulli", "gaussian"],
        Doc("The decoder's: of each pixel's grey, or a Gaussian whose variance is the error's."),
    ] = "bernoulli"
    feature_weight: Annotated[
        float,
        Range(0.0, 1e6),
        Doc("Factor on how differently our classifier sees picture and reconstruction."),
    ] = 0.0
    components: Annotated[
        int, Range(1, 100), Doc("Gaussians fitted to the posteriors of each class, as its prior.")
    ] = 1
    encoder_norm: Annotated[Norm, Doc("Normalisation between the encoder's layers.")] = "none"
    decoder_norm: Annotated[Norm, Doc("Normalisation between the decoder's layers.")] = "none"


@dataclass(frozen=True, kw_only=True)
class GANRecipe(LatentRecipe):
    """A generative adversarial network (Goodfellow et al. 2014); convolutional, it is DCGAN."""

    family = "gan"
    family_title = "GAN"
    network_sizes: ClassVar = {"convolutional": (28, 64), "residual": (28, 64)}

    discriminator_feature_maps: Annotated[
        int | None, Range(1, 512), Doc("feature maps of the discriminator; None takes the same.")
    ] = None
    loss: Annotated[
        Literal["cross-entropy", "hinge"],
        Doc("What both descend; hinge leaves out images that are told apart well enough."),
    ] = "cross-entropy"
    r1_weight: Annotated[
        float,
        Range(0.0, 1000.0),
        Doc("Factor on D's squared gradient at real images, of a sixteenth of each batch."),
    ] = 0.0
    mode_seeking_weight: Annotated[
        float,
        Range(0.0, 100.0),
        Doc("Factor on how alike G's pictures of two latents are, of one class where it has them."),
    ] = 0.0
    discriminator_augmentation: Annotated[
        Literal["none", "shift", "shift, colour, cutout"],
        Doc("How D sees all images, real or not, that it may not learn the few by heart."),
    ] = "none"
    generator_learning_rate: Annotated[float, LearningRate, Doc("Adam's, for G.")] = 2e-4
    discriminator_learning_rate: Annotated[float, LearningRate, Doc("Adam's, for D.")] = 2e-4
    beta1: Annotated[float, Range(0.0, 0.999), Doc("Adam's first decay rate, both networks.")] = 0.5
    generator_norm: Annotated[Norm, Doc("Normalisation between the generator's layers.")] = "none"
    discriminator_norm: Annotated[
        Literal["none", "batch", "spectral"],
        Doc("Normalisation of the discriminator: of what its layers give, or of their weights."),
    ] = "none"


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe(Recipe):
    """A small residual classifier, whose features measure the other families' samples."""

    family = "classifier"
    family_title = "Classifier"
    hidden = True

    network: Annotated[Literal["convolutional"], Doc("Kind of layers.")] = "convolutional"
    width: Annotated[int, Range(1, 512), Doc("Channels of the first stage.")]
    stages: Annotated[
        int, Range(1, 4), Doc("Stages; each halves the image and doubles the channels.")
    ]
    learning_rate: Annotated[float, LearningRate, Doc("AdamW's at its highest.")]
    warm_up: Annotated[
        float, Range(0.0, 1.0), Doc("Part of the training in which the learning rate rises.")
    ] = 0.2
    weight_decay: Annotated[float, Range(0.0, 1.0), Doc("AdamW's.")] = 0.05
    label_smoothing: Annotated[
        float, Range(0.0, 0.9), Doc("Probability that the target gives to all classes alike.")
    ] = 0.1
    augmentation: Annotated[
        Literal["none", "shift", "crop"],
        Doc("shift moves an image by up to two pixels; crop takes a part of it, maybe mirrored."),
    ]

    def problems(self) -> dict[str, str]:
        problems = super().problems()
        if self.pictures is not None:
            problems.setdefault(
                "pictures",
                "pictures must be None: a classifier tells the ten classes of its data set apart, "
                "and own pictures have others.",
            )
        return problems


FAMILIES: dict[str, type[Recipe]] = {
    "vae": VAERecipe,
    "gan": GANRecipe,
    "classifier": ClassifierRecipe,
}

REPORT = ("vae-mnist", "vae-imagenette", "gan-mnist", "gan-imagenette")
"""The recipes of the report the project began with. It gives neither learning rate nor batch size
for its GANs: those here, and the initial weights, are DCGAN's (Radford et al. 2016)."""

# Beside each of the report's a better one: the VAE, or the generator, has no more parameters, the
# discriminator at most twice as many. One of two latents, whose map is exact; and the classifiers
# that measure.
RECIPES: dict[str, Recipe] = {
    "vae-mnist-plus": VAERecipe(
        dataset="mnist",
        network="residual",
        latent_dim=16,
        epochs=6,
        batch_size=64,
        feature_maps=8,
        encoder_norm="batch",
        decoder_norm="batch",
        likelihood="gaussian",
        schedule="cosine",
        weight_average=0.999,
        prior="classes",
        components=2,
    ),
    "gan-mnist-plus": GANRecipe(
        dataset="mnist",
        network="convolutional",
        latent_dim=32,
        epochs=10,
        batch_size=64,
        prior="classes",
        schedule="cosine",
        feature_maps=40,
        discriminator_feature_maps=60,
        generator_norm="batch",
        discriminator_norm="spectral",
        loss="hinge",
        generator_learning_rate=4e-4,
        discriminator_learning_rate=4e-4,
        mode_seeking_weight=0.07,
        weight_average=0.999,
    ),
    "vae-imagenette-plus": VAERecipe(
        dataset="imagenette",
        network="residual",
        latent_dim=128,
        epochs=14,
        batch_size=32,
        feature_maps=8,
        encoder_norm="batch",
        decoder_norm="batch",
        likelihood="gaussian",
        feature_weight=2000.0,
        schedule="cosine",
        weight_average=0.998,
        augmentation="mirror",
        prior="classes",
    ),
    "gan-imagenette-plus": GANRecipe(
        dataset="imagenette",
        network="convolutional",
        latent_dim=100,
        epochs=48,
        batch_size=32,
        prior="classes",
        schedule="cosine",
        feature_maps=48,
        generator_norm="batch",
        r1_weight=1.0,
        generator_learning_rate=4e-4,
        discriminator_learning_rate=4e-4,
        mode_seeking_weight=0.3,
        augmentation="mirror",
        discriminator_augmentation="shift",
        weight_average=0.999,
    ),
    "vae-mnist": VAERecipe(
        dataset="mnist", network="linear", latent_dim=16, epochs=30, batch_size=64
    ),
    "vae-mnist-2d": VAERecipe(
        dataset="mnist", network="linear", latent_dim=2, epochs=30, batch_size=64
    ),
    "vae-imagenette": VAERecipe(
        dataset="imagenette", network="convolutional", latent_dim=32, epochs=50, batch_size=32
    ),
    "gan-mnist": GANRecipe(
        dataset="mnist", network="linear", latent_dim=64, epochs=30, batch_size=128
    ),
    "gan-imagenette": GANRecipe(
        dataset="imagenette",
        network="convolutional",
        latent_dim=100,
        epochs=50,
        batch_size=64,
        generator_norm="batch",
        discriminator_norm="batch",
    ),
    "classifier-mnist": ClassifierRecipe(
        dataset="mnist",
        width=32,
        stages=3,
        epochs=8,
        batch_size=128,
        learning_rate=4e-3,
        augmentation="shift",
    ),
    "classifier-imagenette": ClassifierRecipe(
        dataset="imagenette",
        width=32,
        stages=4,
        epochs=40,
        batch_size=64,
        learning_rate=2e-3,
        augmentation="crop",
    ),
    # Another judge, for models that learnt from what the first one sees.
    "classifier-imagenette-2": ClassifierRecipe(
        dataset="imagenette",
        width=24,
        stages=3,
        epochs=10,
        batch_size=64,
        learning_rate=2e-3,
        augmentation="crop",
        seed=1,
    ),
}


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


def to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain types, for recipe.json."""
    return {"family": recipe.family, **dataclasses.asdict(recipe)}


def from_json(plain: Any) -> Recipe:
    """The recipe that `to_json` wrote. Raises RecipeError when it is not one."""
    if not isinstance(plain, dict) or not isinstance(plain.get("family"), str):
        raise RecipeError("the recipe names no family.")
    fields = {name: value for name, value in plain.items() if name != "family"}
    recipe_class = FAMILIES.get(plain["family"])
    if recipe_class is None:
        raise RecipeError(
            f"its family is {short(plain['family'])}, and this version has only {_list(FAMILIES)}."
        )
    unknown = fields.keys() - field_types(recipe_class).keys()
    if unknown:
        names = short(sorted(unknown))[1:-1]
        raise RecipeError(f"the recipe has fields this version does not know: {names}.")
    try:
        recipe = recipe_class(**fields)
    except TypeError as error:
        raise RecipeError(f"the recipe lacks fields ({error}).") from error
    recipe.check()
    return recipe


def named(name: str) -> Recipe:
    """The recipe of that name. Raises RecipeError when there is none."""
    if name not in RECIPES:
        raise RecipeError(f"there is no recipe {name!r}; name one of {_list(RECIPES)}.")
    return RECIPES[name]


def _list(names: typing.Iterable[str]) -> str:
    return ", ".join(sorted(names))
