import dataclasses
from typing import Any

import torch

from genmodels import recipes
from genmodels.data import image_tensors
from genmodels.latents import posteriors
from genmodels.models import build


def two_latents(components: int = 2, **changes) -> Any:
    recipe = dataclasses.replace(
        recipes.named("vae-mnist"), latent_dim=2, prior="classes", components=components, **changes
    )
    return build(recipe)


def labelled(count: int, classes: int = 10) -> image_tensors.Images:
    """Images that say in their first pixel which class they are of and in the next where there."""
    labels = torch.arange(count) % classes
    pixels = torch.zeros(count, 1, 28, 28, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = labels * 10
    pixels[:, 0, 0, 1] = (torch.arange(count) // classes % 4 == 0) * 100
    return image_tensors.Images(pixels, labels, "", "made here", tuple(map(str, range(classes))))


def encode(images: torch.Tensor):
    """Means around (class, 0), and for a quarter of each class around (class, 5)."""
    label, far = images[:, 0, 0, 0] * 25.5, images[:, 0, 0, 1] * 255 / 20
    mean = torch.stack([label, far], 1)
    return mean, torch.full_like(mean, -4.0)


def test_a_fitted_prior_is_where_the_posteriors_of_each_class_are():
    model = two_latents()
    model.encode = encode
    posteriors.fit_prior(model, labelled(4_000), lambda: None)
    prior = model.prior
    for label in range(10):
        order = prior.weights[label].argsort()
        weights = prior.weights[label][order]
        torch.testing.assert_close(weights, torch.tensor([0.25, 0.75]), atol=0.01, rtol=0)
        expected = torch.tensor([[label, 5.0], [label, 0.0]])
        torch.testing.assert_close(prior.means[label][order], expected, atol=0.05, rtol=0)
    # Not the spread of the means, which is none, but that of the posteriors.
    deviation = torch.tensor(-4.0).exp().sqrt()
    covariance = prior.scales @ prior.scales.mT
    assert (covariance.diagonal(dim1=-2, dim2=-1).sqrt() - deviation).abs().max() < 0.04
    drawn = model.sample_latents(200, seed=1, label=3)
    assert (drawn[:, 0] - 3).abs().max() < 1


def test_a_class_with_too_few_images_keeps_the_normal_prior():
    model = two_latents()
    model.encode = encode
    posteriors.fit_prior(model, labelled(40, classes=9), lambda: None)
    assert torch.equal(model.prior.weights[9], torch.tensor([0.5, 0.5]))
    assert not model.prior.means[9].any()
    assert torch.equal(model.prior.scales[9], torch.eye(2).expand(2, 2, 2))
    assert model.prior.means[8].any()


def test_the_means_of_classes_are_the_posteriors_or_the_priors(make_run):
    gan = make_run("gan", "gan-mnist", prior="classes")
    model: Any = build(gan.recipe)
    means = posteriors.class_means(gan, model)
    assert list(means) == list("0123456789")
    assert means["4"] == model.prior.means[4, 0].tolist()
    plain = make_run("plain", "gan-mnist")
    assert posteriors.class_means(plain, build(plain.recipe)) == {}


def test_of_wide_latents_fewer_are_kept(monkeypatch):
    model, images = two_latents(), labelled(100)
    model.encode = encode
    assert len(posteriors.summary(model, images, images)["posterior_means"]) == 100
    monkeypatch.setattr(posteriors, "NUMBERS", 80)
    assert posteriors.summary(model, images, images)["images"][::13] == [0, 33, 66, 99]
