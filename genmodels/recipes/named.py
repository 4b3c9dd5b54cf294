"""The recipes with a name, which ship trained."""

from genmodels.errors import RecipeError

from .base import Recipe, listed
from .families import ClassifierRecipe, GANRecipe, VAERecipe

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


def named(name: str) -> Recipe:
    """The recipe of that name. Raises RecipeError when there is none."""
    if name not in RECIPES:
        raise RecipeError(f"there is no recipe {name!r}; name one of {listed(RECIPES)}.")
    return RECIPES[name]
