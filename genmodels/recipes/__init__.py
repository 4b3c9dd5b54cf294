"""Recipes: everything that fixes a training, as dataclasses. The named ones are in `RECIPES`.

The fields are the options of `train.py`, the form of the Train page and the "recipe" of a
run's recipe.json. Nothing here imports torch.
"""

from genmodels.errors import RecipeError

from .base import (
    DATASETS,
    DISTANCE_SAMPLES,
    ID,
    DataSet,
    FieldType,
    LearningRate,
    Norm,
    Range,
    Recipe,
    check_last_batch,
    differences,
    field_help,
    field_types,
)
from .families import (
    FAMILIES,
    ClassifierRecipe,
    GANRecipe,
    LatentRecipe,
    VAERecipe,
    from_json,
    to_json,
)
from .named import RECIPES, REPORT, named

__all__ = [
    "DATASETS",
    "DISTANCE_SAMPLES",
    "FAMILIES",
    "ID",
    "RECIPES",
    "REPORT",
    "ClassifierRecipe",
    "DataSet",
    "FieldType",
    "GANRecipe",
    "LatentRecipe",
    "LearningRate",
    "Norm",
    "Range",
    "Recipe",
    "RecipeError",
    "VAERecipe",
    "check_last_batch",
    "differences",
    "field_help",
    "field_types",
    "from_json",
    "named",
    "to_json",
]
