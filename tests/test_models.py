import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from genmodels import recipes
from genmodels.errors import GenmodelsError
from genmodels.models import LatentModel, build
from genmodels.recipes import RECIPES

REPORT = list(recipes.REPORT)
PLUS = [name for name in RECIPES if name.endswith("-plus")]


def built(name: str, **changes) -> Any:
    return build(dataclasses.replace(recipes.named(name), **changes))


def layers(network: nn.Module) -> list[str]:
    """What a network computes, a word or two for each layer."""
    found = []
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            found.append(f"linear {layer.in_features}-{layer.out_features}")
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.kernel_size[0] == layer.kernel_size[1]
            form = f"{layer.in_channels}-{layer.out_channels} kernel {layer.kernel_size[0]}"
            steps = f"stride {layer.stride[0]} padding {layer.padding[0]}"
            found.append(f"{'up' if layer.transposed else 'conv'} {form} {steps}")
        elif isinstance(layer, nn.LeakyReLU):
            found.append(f"leaky {layer.negative_slope}")
        elif not list(layer.children()) and not isinstance(layer, nn.Flatten | nn.Unflatten):
            found.append(type(layer).__name__.lower())
    return found


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vae-mnist", {"encoder": 541_472, "decoder": 538_128}),
        ("vae-imagenette", {"encoder": 755_744, "decoder": 3_592_803}),
        ("gan-mnist", {"generator": 218_128, "discriminator": 100_609}),
        ("gan-imagenette", {"generator": 3_576_704, "discriminator": 2_765_568}),
    ],
)
def test_parameters_are_as_many_as_the_report_says(name, parameters):
    networks = built(name).networks
    counts = {key: sum(weight.numel() for weight in networks[key].parameters()) for key in networks}
    assert counts == parameters
    if name.startswith("vae"):
        assert sum(counts.values()) == {"vae-mnist": 1_079_600, "vae-imagenette": 4_348_547}[name]


def size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", PLUS)
def test_a_better_model_is_no_larger_than_the_reports(name):
    better, reports = built(name).networks, built(name.removesuffix("-plus")).networks
    discriminators = [
        size(networks.pop("discriminator", nn.ReLU())) for networks in (better, reports)
    ]
    assert sum(map(size, better.values())) <= sum(map(size, reports.values()))
    assert discriminators[0] <= 2 * discriminators[1]


@pytest.mark.parametrize("prior", ["normal", "classes"])
@pytest.mark.parametrize("network", ["linear", "convolutional", "residual"])
@pytest.mark.parametrize("name", REPORT)
def test_every_kind_of_network_and_prior_makes_and_takes_images(name, network, prior):
    recipe = dataclasses.replace(recipes.named(name), network=network, prior=prior, feature_maps=4)
    if (name, network) == ("vae-mnist", "convolutional"):
        assert list(recipe.problems()) == ["network"]
        return
    model: Any = build(recipe).eval()
    images = model.sample(3)
    assert images.shape == (3, *recipe.shape)
    if hasattr(model, "encode"):
        assert model.encode(images)[0].shape == (3, model.latent_dim)
    else:
        assert model.discriminate(images).shape == (3,)
    if network == "residual":
        model.train()
        rng = torch.Generator().manual_seed(0)
        for turn in model.turns(images, torch.tensor([0, 1, 9]), rng):
            moving = [p for name in turn.networks for p in model.networks[name].parameters()]
            gradients = torch.autograd.grad(turn.loss, moving, allow_unused=True, retain_graph=True)
            assert sum(gradient is None for gradient in gradients) == 0


@pytest.mark.parametrize(
    ("name", "network", "expected"),
    [
        (
            "vae-mnist",
            "encoder",
            "linear 784-512, relu, linear 512-256, relu, linear 256-16, linear 256-16",
        ),
        ("vae-mnist", "decoder", "linear 16-256, relu, linear 256-512, relu, linear 512-784"),
        (
            "vae-imagenette",
            "encoder",
            "conv 3-32 kernel 4 stride 2 padding 0, relu, "
            "conv 32-64 kernel 4 stride 2 padding 0, relu, "
            "conv 64-128 kernel 4 stride 2 padding 0, relu, "
            "conv 128-256 kernel 4 stride 2 padding 0, relu, "
            "linear 1024-32, linear 1024-32",
        ),
        (
            "vae-imagenette",
            "decoder",
            "linear 32-1024, "
            "up 1024-128 kernel 5 stride 2 padding 0, relu, "
            "up 128-64 kernel 5 stride 2 padding 0, relu, "
            "up 64-32 kernel 6 stride 2 padding 0, relu, "
            "up 32-3 kernel 6 stride 2 padding 0",
        ),
        ("gan-mnist", "generator", "linear 64-256, leaky 0.01, linear 256-784, tanh"),
        ("gan-mnist", "discriminator", "linear 784-128, leaky 0.01, linear 128-1"),
        (
            "gan-imagenette",
            "generator",
            "up 100-512 kernel 4 stride 1 padding 0, batchnorm2d, relu, "
            "up 512-256 kernel 4 stride 2 padding 1, batchnorm2d, relu, "
            "up 256-128 kernel 4 stride 2 padding 1, batchnorm2d, relu, "
            "up 128-64 kernel 4 stride 2 padding 1, batchnorm2d, relu, "
            "up 64-3 kernel 4 stride 2 padding 1, tanh",
        ),
        (
            "gan-imagenette",
            "discriminator",
            "conv 3-64 kernel 4 stride 2 padding 1, leaky 0.2, "
            "conv 64-128 kernel 4 stride 2 padding 1, batchnorm2d, leaky 0.2, "
            "conv 128-256 kernel 4 stride 2 padding 1, batchnorm2d, leaky 0.2, "
            "conv 256-512 kernel 4 stride 2 padding 1, batchnorm2d, leaky 0.2, "
            "conv 512-1 kernel 4 stride 1 padding 0",
        ),
    ],
)
def test_layers_are_those_of_the_reports_table(name, network, expected):
    assert ", ".join(layers(built(name).networks[network])) == expected


@pytest.mark.parametrize("name", REPORT)
def test_decoded_images_have_the_data_sets_shape_and_range(name):
    model = built(name).eval()
    images = torch.cat([model.sample(3), model.sample(3, spread=1000)])
    assert images.shape == (6, *RECIPES[name].shape)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.001


def test_the_last_activations_are_sigmoids():
    vae, gan = built("vae-mnist"), built("gan-mnist")
    latents, images = torch.randn(2, 16), torch.rand(2, 1, 28, 28)
    logits = vae.decoder(latents)
    torch.testing.assert_close(vae.decode(latents), 1 / (1 + (-logits).exp()))
    logits = gan.discriminator(images * 2 - 1)
    torch.testing.assert_close(gan.discriminate(images), 1 / (1 + (-logits).exp()))
    assert logits.shape == (2,)


@pytest.mark.parametrize("name", REPORT)
def test_an_image_does_not_depend_on_its_batch(name):
    model = built(name).eval()
    torch.testing.assert_close(model.sample(5)[:2], model.sample(2))
    images = model.sample(3)
    if hasattr(model, "encode"):
        mean, log_variance = model.encode(images)
        assert mean.shape == log_variance.shape == (3, model.latent_dim)
        torch.testing.assert_close(model.encode(images[:1])[0], mean[:1])
    else:
        torch.testing.assert_close(model.discriminate(images[:1]), model.discriminate(images)[:1])


@pytest.mark.parametrize("name", ["vae-mnist", "gan-mnist"])
def test_latents_of_classes_are_drawn_from_around_their_means(name):
    model = built(name, prior="classes")
    rng = torch.Generator().manual_seed(5)
    model.prior.means.data = torch.randn(model.prior.means.shape, generator=rng) * 100
    means = model.prior.means[:, 0]
    latents = model.sample_latents(2_000, seed=3)
    nearest = torch.cdist(latents, means).argmin(1)
    assert nearest.bincount(minlength=10).tolist() == pytest.approx([200] * 10, abs=50)
    noise = latents - means[nearest]
    assert noise.mean().item() == pytest.approx(0, abs=0.03)
    assert noise.std().item() == pytest.approx(1, abs=0.03)
    for count in (1, 2, 17, 1_999):
        assert torch.equal(model.sample_latents(count, seed=3), latents[:count]), count
    sevens = model.sample_latents(50, seed=3, label=7)
    torch.testing.assert_close(sevens - means[7], noise[:50], atol=1e-3, rtol=0)
    assert torch.equal(model.sample_latents(2, spread=0.0, label=7), means[[7, 7]])


def test_the_latents_of_a_seed_have_nothing_of_a_prior_that_began_with_it():
    model = built("gan-mnist", prior="classes")
    noise = model.sample_latents(10, seed=model.recipe.seed, label=0) - model.prior.means[0]
    assert torch.corrcoef(torch.stack([noise.flatten(), model.prior.means.flatten()]))[0, 1] < 0.1


def test_a_fitted_prior_draws_from_all_its_gaussians_by_their_weights():
    model = built("vae-mnist", prior="classes", components=3, latent_dim=2)
    model.prior.weights.data[4] = torch.tensor([0.5, 0.0, 0.5])
    model.prior.means.data[4] = torch.tensor([[-9.0, 0.0], [0.0, 0.0], [9.0, 0.0]])
    model.prior.scales.data[4] = torch.tensor([[0.1, 0.0], [0.3, 0.4]])
    latents = model.sample_latents(4_000, label=4)
    left, right = latents[latents[:, 0] < 0], latents[latents[:, 0] > 0]
    assert len(left) == pytest.approx(2_000, abs=150)
    covariance = torch.tensor([[0.01, 0.03], [0.03, 0.25]])
    for part, mean in ((left, -9.0), (right, 9.0)):
        torch.testing.assert_close(part.mean(0), torch.tensor([mean, 0.0]), atol=0.05, rtol=0)
        torch.testing.assert_close(part.T.cov(), covariance, atol=0.02, rtol=0)


def test_a_discriminator_of_classes_judges_an_image_as_the_class_it_is_told():
    gan = built("gan-mnist", prior="classes")
    images, labels = torch.rand(5, 1, 28, 28), torch.tensor([0, 3, 3, 9, 1])
    answers = nn.Sequential.forward(gan.discriminator, images)
    assert answers.shape == (5, 11)
    expected = torch.stack(
        [row[0] + row[1 + label] for row, label in zip(answers, labels, strict=True)]
    )
    torch.testing.assert_close(gan.discriminator(images, labels), expected)
    best = answers[:, 0] + answers[:, 1:].amax(1)
    torch.testing.assert_close(gan.discriminator(images), best)


def test_fakes_whose_sameness_counts_come_in_pairs_of_one_class():
    gan = built("gan-mnist", prior="classes", mode_seeking_weight=0.5)
    labels = torch.tensor([0, 3, 2, 9, 1])
    asked = []
    gan.prior.register_forward_pre_hook(lambda _, given: asked.append(given[1]))
    gan.discriminator.register_forward_pre_hook(lambda _, given: asked.append(given[1]))
    turns = gan.turns(torch.rand(5, 1, 28, 28), labels, torch.Generator().manual_seed(0))
    next(turns)
    ours = next(turns)
    pairs = torch.tensor([0, 0, 2, 2, 1])
    for given, expected in zip(asked, (pairs, labels, pairs, pairs), strict=True):
        assert torch.equal(given, expected)
    share = 0.5 * ours.measured["mode_seeking"]
    torch.testing.assert_close(ours.loss, ours.measured["generator_loss"] + share)


def test_spectral_normalisation_holds_the_largest_singular_value_at_one():
    gan = built("gan-mnist-plus")
    for _ in range(20):  # Each pass in training moves the estimate on.
        gan.discriminator(torch.rand(2, 1, 28, 28))
    gan.eval()
    weights = [m.weight for m in gan.discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert len(weights) == 3
    for weight in weights:
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_a_cosine_takes_the_learning_rates_to_zero():
    falling, constant = built("vae-mnist", schedule="cosine"), built("vae-mnist")
    assert [falling.learning_rate_factor(part) for part in (0, 0.5, 1)] == pytest.approx(
        [1, 0.5, 0]
    )
    assert constant.learning_rate_factor(0.9) == 1


@pytest.mark.parametrize("latent_dim", [2, 16, 100])
def test_latents_are_fixed_by_their_seed_and_scaled_by_their_spread(latent_dim):
    model = built("vae-mnist", latent_dim=latent_dim)
    latents = model.sample_latents(5_000, seed=3)
    assert latents.shape == (5_000, latent_dim)
    for count in (1, 2, 3, 17, 64, 4_999):
        assert torch.equal(model.sample_latents(count, seed=3), latents[:count]), count
    assert torch.equal(model.sample_latents(7, seed=3, spread=2.5), latents[:7] * 2.5)
    assert not torch.equal(model.sample_latents(7, seed=4), latents[:7])
    assert latents.mean().item() == pytest.approx(0, abs=0.03)
    assert latents.std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", RECIPES)
def test_initial_weights_depend_on_the_recipes_seed_alone(name):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = built(name).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = built(name).state_dict(), built(name, seed=7).state_dict()
    assert first.keys() == again.keys() == other.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_a_gan_starts_with_the_weights_of_dcgan():
    model = built("gan-imagenette")
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.bias is None
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.01)
            assert layer.bias.abs().max() == 0


def test_optimizers_are_those_of_the_recipe():
    gan = built("gan-mnist", generator_learning_rate=3e-4, beta1=0.25)
    assert gan.optimizer_options("generator") == {"lr": 3e-4, "betas": (0.25, 0.999)}
    assert gan.optimizer_options("discriminator") == {"lr": 2e-4, "betas": (0.25, 0.999)}
    assert built("vae-mnist", learning_rate=2e-3).optimizer_options("encoder") == {"lr": 2e-3}


@pytest.mark.parametrize(
    ("name", "changes", "count"),
    [
        ("vae-mnist", {"encoder_norm": "batch"}, {"encoder": 2, "decoder": 0}),
        ("vae-imagenette", {"decoder_norm": "batch"}, {"encoder": 0, "decoder": 3}),
        ("gan-mnist", {"generator_norm": "batch"}, {"generator": 1, "discriminator": 0}),
        ("gan-imagenette", {"generator_norm": "none"}, {"generator": 0, "discriminator": 3}),
    ],
)
def test_a_recipe_puts_normalisation_where_it_says(name, changes, count):
    model = built(name, **changes)
    norms = {
        key: sum(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in network.modules())
        for key, network in model.networks.items()
    }
    assert norms == count
    assert isinstance(model, LatentModel)
    assert model.eval().sample(2).shape == (2, *model.image_shape)


def test_a_vaes_loss_weighs_its_terms_as_the_recipe_says():
    images, labels = torch.rand(4, 1, 28, 28), torch.zeros(4)
    totals = {}
    for reduction, weight in (("sum", 1.0), ("sum", 4.0), ("mean", 4.0)):
        model = built("vae-mnist", reduction=reduction, kl_weight=weight)
        (turn,) = model.turns(images, labels, torch.Generator().manual_seed(0))
        reconstruction, kl = turn.measured["reconstruction"], turn.measured["kl"]
        torch.testing.assert_close(turn.loss, reconstruction + weight * kl)
        assert turn.networks == ("encoder", "decoder")
        totals[reduction, weight] = reconstruction
    assert totals["sum", 1.0] == totals["sum", 4.0]
    torch.testing.assert_close(totals["sum", 4.0], totals["mean", 4.0] * 784)


@pytest.mark.parametrize(
    ("changes", "label", "has"),
    [
        ({"prior": "classes"}, 10, "only the classes 0 to 9"),
        ({"prior": "classes"}, -1, "only the classes 0 to 9"),
        ({"prior": "classes", "pictures": "mine"}, 1, "only the classes 0 to 0"),
        ({}, 3, "no classes"),
    ],
)
@pytest.mark.parametrize("name", ["gan-mnist", "vae-mnist"])
def test_a_class_that_a_model_does_not_have_is_told(name, changes, label, has):
    model: Any = build(dataclasses.replace(RECIPES[name], **changes))
    with pytest.raises(GenmodelsError, match=f"has {has}; there is no class {label}"):
        model.sample(2, label=label)
    assert model.sample(2).isfinite().all()
