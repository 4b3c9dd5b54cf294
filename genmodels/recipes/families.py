"""The recipes of each family, and how they are written down."""

import dataclasses
from dataclasses import dataclass
from reprlib import repr as short
from typing import Annotated, Any, ClassVar, Literal

from typing_extensions import Doc

from genmodels.errors import RecipeError

from .base import LearningRate, Norm, Range, Recipe, field_types, listed


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
            f"its family is {short(plain['family'])}, and this version has only {listed(FAMILIES)}."
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
