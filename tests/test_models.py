import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from genmodels import recipes
from genmodels.models import LatentModel, build
from genmodels.recipes import RECIPES

REPORT = ["vae-mnist", "vae-imagenette", "gan-mnist", "gan-imagenette"]


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
    again, other = built(name).state_dict(), built(name, seed=1).state_dict()
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
