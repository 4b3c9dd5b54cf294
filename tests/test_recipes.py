import dataclasses
import json

import pytest

from genmodels import recipes, runs
from genmodels.errors import RecipeError
from genmodels.recipes import RECIPES
from genmodels.recipes.broken import VARIATIONS


@pytest.mark.parametrize("name", RECIPES)
def test_a_named_recipe_can_be_trained_and_survives_json(name):
    recipe = recipes.named(name)
    recipe.check()
    assert recipes.from_json(json.loads(json.dumps(recipes.to_json(recipe)))) == recipe


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("value", [[], {}, ["mnist"], {"mnist": 1}])
def test_a_list_or_a_table_is_no_value_of_any_field(name, value):
    plain = recipes.to_json(recipes.named(name))
    for field in plain:
        with pytest.raises(RecipeError):
            recipes.from_json(plain | {field: value})
    with pytest.raises(RecipeError):
        recipes.from_json(dict.fromkeys(plain, value) | {"family": plain["family"]})


@pytest.mark.parametrize("name", ["\n", "\0", "x" * 10_000, "**b**"])
def test_a_strange_field_is_named_in_one_short_line(name):
    plain = recipes.to_json(recipes.named("vae-mnist")) | {name: 1}
    with pytest.raises(RecipeError, match=r"does not know: .*\.$") as refused:
        recipes.from_json(plain)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


def test_the_reports_recipes_are_those_of_the_report():
    shared = {"seed": 0, "train_limit": None, "precision": "auto", "pictures": None}
    shared |= {"distance_every": None, "prior": "normal", "feature_maps": 64}
    shared |= {"schedule": "constant", "weight_average": 0.0, "augmentation": "none"}
    vae = {"family": "vae", "learning_rate": 1e-3, "kl_weight": 1.0, "reduction": "sum"}
    vae |= {"encoder_norm": "none", "decoder_norm": "none"}
    vae |= {"likelihood": "bernoulli", "components": 1, "feature_weight": 0.0}
    gan = {
        "family": "gan",
        "beta1": 0.5,
        "loss": "cross-entropy",
        "r1_weight": 0.0,
        "mode_seeking_weight": 0.0,
    }
    gan |= {"discriminator_feature_maps": None, "discriminator_augmentation": "none"}
    gan |= {"generator_learning_rate": 2e-4, "discriminator_learning_rate": 2e-4}
    mnist = {"dataset": "mnist", "network": "linear", "epochs": 30}
    imagenette = {"dataset": "imagenette", "network": "convolutional", "epochs": 50}
    plain = {"generator_norm": "none", "discriminator_norm": "none"}
    batch = {"generator_norm": "batch", "discriminator_norm": "batch"}
    expected = {
        "vae-mnist": {**shared, **vae, **mnist, "batch_size": 64, "latent_dim": 16},
        "vae-imagenette": {**shared, **vae, **imagenette, "batch_size": 32, "latent_dim": 32},
        "gan-mnist": {**shared, **gan, **mnist, **plain, "latent_dim": 64},
        "gan-imagenette": {**shared, **gan, **imagenette, **batch, "latent_dim": 100},
    }
    actual = {name: recipes.to_json(RECIPES[name]) for name in expected}
    for name in ("gan-mnist", "gan-imagenette"):  # The report gives them no batch size.
        assert 64 <= actual[name].pop("batch_size") <= 128
    assert actual == expected


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        ("vae-mnist", {"epochs": 0}, "epochs must be a whole number from 1 to 10,000, not 0."),
        ("vae-mnist", {"batch_size": 2.0}, "batch size must be a whole number"),
        ("vae-mnist", {"batch_size": True}, "batch size must be a whole number"),
        ("vae-mnist", {"train_limit": 1}, "train limit must be a whole number from 2"),
        ("vae-mnist", {"learning_rate": float("nan")}, "learning rate must be a number"),
        ("vae-mnist", {"learning_rate": "0.1"}, "learning rate must be a number"),
        ("vae-mnist", {"kl_weight": -1.0}, "kl weight must be a number from 0 to 1,000, not -1.0."),
        ("gan-mnist", {"generator_norm": "layer"}, "must be one of none, batch, not 'layer'"),
        ("gan-mnist", {"beta1": 1.0}, "beta1 must be a number from 0 to 0.999"),
        ("vae-mnist", {"network": "convolutional"}, "must not be convolutional: MNIST is 28x28"),
        ("gan-imagenette", {"dataset": ["mnist"]}, "dataset must be one of mnist, imagenette"),
        ("gan-imagenette", {"dataset": "cifar"}, "dataset must be one of mnist, imagenette"),
    ],
)
def test_a_field_that_cannot_be_trained_is_named_in_a_sentence(name, changes, complaint):
    recipe = dataclasses.replace(recipes.named(name), **changes)
    assert list(recipe.problems()) == list(changes)
    with pytest.raises(RecipeError) as caught:
        recipe.check()
    assert complaint in str(caught.value)


def test_every_limit_of_a_field_is_itself_allowed():
    for recipe in RECIPES.values():
        for name, (_, low, high) in recipes.field_types(type(recipe)).items():
            for value in {low, high} - {0}:
                assert name not in dataclasses.replace(recipe, **{name: value}).problems()


def test_every_field_is_explained():
    for recipe_class in recipes.FAMILIES.values():
        texts = recipes.field_help(recipe_class)
        assert list(texts) == [field.name for field in dataclasses.fields(recipe_class)]
        assert all(text.endswith(".") for text in texts.values())


@pytest.mark.parametrize(
    ("plain", "complaint"),
    [
        (None, "names no family"),
        ([], "names no family"),
        ({"family": 3}, "names no family"),
        ({"family": "flow"}, "its family is 'flow'"),
        ({"family": "vae", "dataset": "mnist"}, "lacks fields"),
        ({**recipes.to_json(RECIPES["vae-mnist"]), "momentum": 1}, "does not know: 'momentum'"),
        ({**recipes.to_json(RECIPES["vae-mnist"]), "epochs": "many"}, "epochs must be"),
        ({**recipes.to_json(RECIPES["gan-imagenette"]), "dataset": {}}, "dataset must be"),
    ],
)
def test_what_is_no_recipe_is_refused(plain, complaint):
    with pytest.raises(RecipeError, match=complaint):
        recipes.from_json(plain)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(RecipeError, match=r"no recipe 'vae-cifar'.*gan-mnist.*vae-mnist"):
        recipes.named("vae-cifar")


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.title)
def test_a_variation_is_one_recipe_changed_and_can_be_trained(variation):
    healthy = recipes.named(variation.recipe_name)
    variation.recipe.check()
    before, after = recipes.to_json(healthy), recipes.to_json(variation.recipe)
    assert {name for name in after if after[name] != before[name]} == variation.changes.keys()
    assert runs.find(variation.recipe_name).shipped
