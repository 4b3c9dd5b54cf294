"""Live training: the little networks of the browser against torch, the page, and its component."""

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from browser import open_page, pixels, serving
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from genmodels import objectives
from genmodels.ui import navigation, shell, widgets

BATCH = 64


def javascript(code: str):
    """What `code` prints, a module among the widgets', read as JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    command = [node, "--input-type=module", "-"]
    done = subprocess.run(
        command, cwd=widgets.FOLDER, input=code, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# The networks


def weights_of(sizes: list[int], seed: int) -> list[float]:
    rng = torch.Generator().manual_seed(seed)
    count = sum(a * b + b for a, b in pairwise(sizes))
    return (0.5 * torch.randn(count, generator=rng, dtype=torch.float64)).tolist()


def in_torch(sizes: list[int], weights: list[float]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
    network = nn.Sequential(*layers[:-1]).double()
    nn.utils.vector_to_parameters(torch.tensor(weights).double(), network.parameters())
    return network


def flat(network: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


def same(weights: list[float], network: nn.Module) -> bool:
    ours, theirs = torch.tensor(weights, dtype=torch.float64), flat(network)
    return bool(((ours - theirs).norm() <= 1e-6 * theirs.norm()).item())


def normal(count: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, generator=rng, dtype=torch.float64)


SETTING = """
import { discriminatorStep, generatorStep, network, vaeStep } from "./network.js";

const made = (sizes, weights) =>
  Object.assign(network(sizes, Math.random), { weights: Float64Array.from(weights) });
const flat = (rows) => Float64Array.from(rows.flat());
const say = (value) => console.log(JSON.stringify(value));
"""


@pytest.fixture(autouse=True)
def whole_precision(monkeypatch):
    """The objectives are float32 for images; here nothing may be rounded."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("saturating", [False, True])
def test_a_gan_learns_in_the_browser_as_in_torch(steps, saturating):
    shapes = ([2, 16, 16, 2], [2, 16, 16, 1])
    begins = [weights_of(sizes, seed) for seed, sizes in enumerate(shapes)]
    real, first, second = (normal(steps * BATCH, seed).view(steps, BATCH, 2) for seed in (2, 3, 4))
    told = {"begins": begins, "shapes": shapes, "saturating": saturating}
    told |= {"real": real.tolist(), "first": first.tolist(), "second": second.tolist()}
    weights = javascript(
        SETTING
        + f"const told = {json.dumps(told)};"
        + """
        const [generator, discriminator] = told.begins.map(
          (weights, index) => made(told.shapes[index], weights));
        const gan = { generator, discriminator };
        const losses = told.real.map((real, step) => [
          discriminatorStep(gan, flat(real), flat(told.first[step]), 0.002),
          generatorStep(gan, flat(told.second[step]), 0.001, told.saturating),
        ]);
        say([Array.from(generator.weights), Array.from(discriminator.weights), losses]);
        """
    )
    generator, discriminator = map(in_torch, shapes, begins)
    adam = {"betas": (0.5, 0.999), "eps": 1e-8}
    of_g = torch.optim.Adam(generator.parameters(), 0.001, **adam)
    of_d = torch.optim.Adam(discriminator.parameters(), 0.002, **adam)
    for step in range(steps):
        fake = generator(first[step]).detach()
        d_loss = objectives.discriminator_loss(discriminator(real[step]), discriminator(fake))
        of_d.zero_grad()
        d_loss.backward()
        of_d.step()
        logits = discriminator(generator(second[step]))
        if saturating:
            g_loss = torch.log(1 - torch.sigmoid(logits)).mean()
        else:
            g_loss = objectives.generator_loss(logits)
        of_g.zero_grad()
        g_loss.backward()
        of_g.step()
        assert weights[2][step] == pytest.approx([d_loss.item(), g_loss.item()], rel=1e-6)
    assert same(weights[0], generator) and same(weights[1], discriminator)
    assert not same(begins[0], generator) and not same(begins[1], discriminator)


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("latents", [1, 2])
def test_a_vae_learns_in_the_browser_as_in_torch(steps, latents):
    shapes = ([2, 16, 16, 2 * latents], [latents, 16, 16, 2])
    begins = [weights_of(sizes, seed) for seed, sizes in enumerate(shapes)]
    points, noise = (normal(steps * BATCH, seed).view(steps, BATCH, 2) for seed in (2, 3))
    noise = noise[..., :latents]
    told = {"begins": begins, "shapes": shapes}
    told |= {"points": points.tolist(), "noise": noise.tolist()}
    weights = javascript(
        SETTING
        + f"const told = {json.dumps(told)};"
        + """
        const [encoder, decoder] = told.shapes.map((sizes, i) => made(sizes, told.begins[i]));
        const settings = { rate: 0.002, variance: 0.3, klWeight: 3 };
        const losses = told.points.map((points, step) =>
          vaeStep({ encoder, decoder }, flat(points), flat(told.noise[step]), settings));
        say([Array.from(encoder.weights), Array.from(decoder.weights), losses]);
        """
    )
    encoder, decoder = map(in_torch, shapes, begins)
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 0.002)
    for step in range(steps):
        mean, log_variance = encoder(points[step]).chunk(2, 1)
        decoded = decoder(mean + noise[step] * (0.5 * log_variance).exp())
        likelihood = torch.distributions.Normal(decoded, 0.3**0.5).log_prob(points[step])
        reconstruction = -likelihood.sum(1).mean()
        kl = objectives.kl_divergence(mean, log_variance).mean()
        adam.zero_grad()
        (reconstruction + 3 * kl).backward()
        adam.step()
        assert weights[2][step]["reconstruction"] == pytest.approx(reconstruction.item(), rel=1e-6)
        assert weights[2][step]["kl"] == pytest.approx(kl.item(), rel=1e-6)
    assert same(weights[0], encoder) and same(weights[1], decoder)


# The page


@pytest.fixture
def app(monkeypatch, tmp_path) -> AppTest:
    """The app, with no data set and no runs of one's own."""
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    return AppTest.from_file(navigation.__file__, default_timeout=120).run()


def show(app: AppTest, **address: str) -> AppTest:
    for name, text in address.items():
        app.query_params[name] = text
    app.switch_page(str(shell.page("points"))).run()
    assert not app.exception
    return app


def settings(app: AppTest) -> dict:
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_settings_are_in_the_address_and_reach_the_browser(app):
    show(app, networks="Both", points="Spiral", rate_g="0.005", variance="0.3", seed="7")
    told = settings(app)
    assert (told["model"], told["points"], told["seed"]) == ("both", "spiral", 7)
    assert (told["rate_g"], told["rate_d"], told["variance"]) == (0.005, 0.001, 0.3)


def test_nonsense_in_the_address_is_passed_over(app):
    show(app, networks="<b>", points="circle", rate_d="-1", loss="x", latents="99")
    told = settings(app)
    assert (told["model"], told["points"], told["rate_d"]) == ("gan", "ring", 0.001)
    assert not told["saturating"]


def test_mode_collapse_is_one_press_and_so_is_the_way_back(app):
    show(app, networks="VAE", points="Line")
    press = {button.label: button for button in app.button}
    press["Mode collapse"].click().run(timeout=120)
    told = settings(app)
    assert (told["model"], told["points"], told["rate_g"]) == ("gan", "ring", 0.005)
    assert told["rate_d"] == 0.0002
    {button.label: button for button in app.button}["Healthy GAN"].click().run(timeout=120)
    assert settings(app)["rate_g"] == settings(app)["rate_d"] == 0.001
    assert settings(app)["turn"] == told["turn"] + 1


# The component


SCRIPT = """
import streamlit as st
from genmodels.ui import routes
from genmodels.ui.widgets.playground import playground

app = st.App(__file__, routes=routes.ROUTES)
if __name__ == "__main__":
    st.set_page_config(layout="wide")
    playground(
        {"model": st.query_params["model"], "points": st.query_params["points"], "seed": 0,
         "saturating": False, "rate_d": 0.001, "rate_g": 0.001, "rate": 0.002, "latents": 2,
         "variance": 0.03, "kl_weight": 1.0, "turn": 0},
        key="playground",
    )
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    script = Path(folder / "script.py")
    script.write_text(SCRIPT)
    with serving(folder, script, {}, "--browser.gatherUsageStats=false") as address:
        yield address


CANVAS = ".genmodels-stage canvas"


def test_turns_steps_and_the_keyboard_train_without_the_server(page, server):
    open_page(page, f"{server}/?model=both&points=ring", CANVAS)
    words = page.locator(".genmodels-words")
    assert "Untrained" in words.inner_text()
    assert page.get_by_role("img", name="GAN, step 0.").is_visible()
    heard = page.traffic.total()

    before = pixels(page, f"{CANVAS} >> nth=0")
    page.get_by_role("button", name="D’s turn").click()
    assert words.inner_text().startswith("D learnt: it now gives real points 0.")
    assert pixels(page, f"{CANVAS} >> nth=0") != before
    page.get_by_role("button", name="G’s turn").click()
    assert words.inner_text().startswith("G learnt")
    page.get_by_role("button", name="Step", exact=True).click()
    assert "The VAE learnt" in words.inner_text()
    assert page.get_by_role("img", name="VAE, step 1.").is_visible()

    stage = page.locator(".genmodels-stage").first
    stage.press("Space")
    page.wait_for_selector("text=/^Step [1-9][0-9]/")
    assert words.get_attribute("aria-live") == "off"
    stage.press("Space")
    stopped = words.inner_text()
    page.wait_for_timeout(300)
    assert words.inner_text() == stopped
    assert words.get_attribute("aria-live") == "polite"
    page.get_by_role("button", name="Reset").click()
    assert "Untrained" in words.inner_text()
    assert pixels(page, f"{CANVAS} >> nth=0") == before
    assert page.traffic.total() == heard
    assert not page.traffic.trouble


def test_points_are_painted_by_hand_and_cleared(page, server):
    open_page(page, f"{server}/?model=gan&points=drawn", CANVAS)
    play = page.get_by_role("button", name="Play", exact=True)
    assert play.is_disabled()
    box = page.locator(CANVAS).bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 150, steps=8)
    page.mouse.up()
    assert play.is_enabled()
    page.get_by_role("button", name="Step", exact=True).click()
    assert "D learnt, then G" in page.locator(".genmodels-words").inner_text()
    page.get_by_role("button", name="Clear").click()
    assert play.is_disabled()
    assert not page.traffic.trouble
