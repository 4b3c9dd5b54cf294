"""The lessons: their formulas against the package's own, and every step in a real browser."""

import math
import shutil

import pytest
import torch
from browser import serving
from streamlit.testing.v1 import AppTest

from genmodels import evaluation, folders, objectives, posteriors, runs
from genmodels.ui import lessons, navigation, shell, widgets

STEPS = {
    "vae": ["Posterior", "ELBO", "Reparametrisation", "Sampling", "Blur"],
    "gan": ["The game", "Losses", "Mode collapse", "Fréchet distance"],
}


# The formulas


@pytest.fixture
def formula(page):
    """Calls a function of formulas.js."""
    source = widgets.MODULES["formulas.js"].decode()
    page.goto("about:blank")
    page.evaluate(
        """async (source) => {
            const blob = new Blob([source], { type: "text/javascript" });
            window.formulas = await import(URL.createObjectURL(blob));
        }""",
        source,
    )

    def call(name: str, *values):
        return page.evaluate("([name, values]) => formulas[name](...values)", [name, values])

    return call


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.2, 0.5), (-3.0, 0.05), (0.3, 4.0)])
def test_the_kl_is_the_packages(formula, mean, deviation):
    log_variance = torch.tensor([[2 * math.log(deviation)]], dtype=torch.float64)
    expected = objectives.kl_divergence(torch.tensor([[mean]], dtype=torch.float64), log_variance)
    assert formula("klParts", mean, deviation)["kl"] == pytest.approx(expected.item(), abs=1e-9)


@pytest.mark.parametrize("logit", [-30.0, -4.0, 0.0, 2.5, 30.0])
def test_what_a_generator_is_told_is_the_packages_and_autograds(formula, logit):
    found = formula("generatorLosses", logit)
    x = torch.tensor([logit], requires_grad=True)
    usual = objectives.generator_loss(x)
    (slope,) = torch.autograd.grad(usual, x)
    assert found["usual"] == pytest.approx(usual.item(), rel=1e-5, abs=1e-9)
    assert found["usualSlope"] == pytest.approx(slope.item(), abs=1e-6)
    saturating = -torch.nn.functional.softplus(x)  # log(1 - D)
    (slope,) = torch.autograd.grad(saturating, x)
    assert found["saturating"] == pytest.approx(saturating.item(), rel=1e-5, abs=1e-9)
    assert found["saturatingSlope"] == pytest.approx(slope.item(), abs=1e-6)


def test_the_value_of_the_game_is_minus_the_discriminators_loss(page, formula):
    """With as many points as it takes, and the best discriminator; it is log 4 less at p = g."""
    found = page.evaluate(
        """() => {
            const p = (x) => formulas.logNormal(x, 1, 0.7);
            const g = (x) => formulas.logNormal(x, -1, 1);
            const best = (x) => formulas.bestLogit(p(x), g(x));
            return formulas.gameValue(p, g, best, -9, 9);
        }"""
    )
    rng = torch.Generator().manual_seed(0)
    real = 1 + 0.7 * torch.randn(200_000, generator=rng)
    made = -1 + torch.randn(200_000, generator=rng)
    p, g = torch.distributions.Normal(1, 0.7), torch.distributions.Normal(-1, 1)
    on_real, on_made = (p.log_prob(x) - g.log_prob(x) for x in (real, made))
    loss = objectives.discriminator_loss(on_real, on_made).item()
    assert -found["value"] == pytest.approx(loss, rel=1e-2)
    same = page.evaluate(
        "() => { const p = (x) => formulas.logNormal(x, 0, 1);"
        " return formulas.gameValue(p, p, () => 0, -9, 9).value; }"
    )
    assert same == pytest.approx(-math.log(4), abs=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_the_frechet_distance_is_the_packages(formula, angle):
    first = formula("covarianceOf", 1.5, 0.4, angle)
    second = formula("covarianceOf", 0.8, 1.1, 0.3)
    means = [0.5, -1.0], [2.0, 0.25]
    found = formula("frechetParts", means[0], first, means[1], second)
    matrices = [torch.tensor([[a, b], [b, c]], dtype=torch.float64) for a, b, c in (first, second)]
    vectors = [torch.tensor(mean, dtype=torch.float64) for mean in means]
    expected = evaluation.frechet_distance(vectors[0], matrices[0], vectors[1], matrices[1])
    assert found["distance"] == pytest.approx(float(expected), rel=1e-6)
    parts = found["means"] + found["trace1"] + found["trace2"] + found["root"]
    assert parts == pytest.approx(found["distance"])
    same = formula("frechetParts", means[0], first, means[0], first)
    assert same["distance"] == pytest.approx(0, abs=1e-6)


def test_the_slopes_of_the_trick_are_autograds(formula):
    found = formula("reparametrised", 0.5, 0.8, 1.3, 2.0)
    mean, deviation = (torch.tensor(value, requires_grad=True) for value in (0.5, 0.8))
    loss = (mean + deviation * 1.3 - 2.0) ** 2
    slopes = torch.autograd.grad(loss, (mean, deviation))
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert found["toMean"] == pytest.approx(slopes[0].item(), rel=1e-5)
    assert found["toDeviation"] == pytest.approx(slopes[1].item(), rel=1e-5)


def test_the_best_single_answer_is_the_mean(formula):
    values, weights = [0.0, 0.6, 1.0], [2.0, 1.0, 1.0]
    at_mean = formula("squaredError", values, weights, 0.4)
    assert at_mean["mean"] == pytest.approx(0.4) and at_mean["miss"] == pytest.approx(0)
    for answer in (0.0, 0.39, 0.41, 1.0):
        assert formula("squaredError", values, weights, answer)["error"] > at_mean["error"]


# The pages


@pytest.fixture
def app(monkeypatch, tmp_path) -> AppTest:
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    return AppTest.from_file(navigation.__file__, default_timeout=60).run()


@pytest.mark.parametrize(
    ("page", "step"), [(p, step) for p, steps in STEPS.items() for step in steps]
)
def test_every_step_can_be_linked_to(app, page, step):
    app.query_params["step"] = step
    app.switch_page(str(shell.page(page))).run()
    assert not app.exception and not app.error
    assert app.subheader[0].value.endswith(step)


@pytest.mark.parametrize("damage", ["missing", "damaged", "of no model"])
def test_a_step_says_what_it_lacks_and_is_whole_again_once_it_is_restored(
    app, tmp_path, monkeypatch, damage
):
    copies = tmp_path / "checkpoints"
    shutil.copytree(folders.CHECKPOINTS / lessons.PLANE, copies / lessons.PLANE)
    monkeypatch.setattr(folders, "CHECKPOINTS", copies)
    kept = copies / lessons.PLANE / ("recipe.json" if damage == "of no model" else "latents.json")
    whole = kept.read_bytes()
    for _ in range(2):  # Nothing of either is remembered.
        if damage == "missing":
            kept.unlink()
        else:
            kept.write_text("{")
        app.query_params["step"] = "Posterior"
        app.switch_page(str(shell.page("vae"))).run()
        assert not app.exception
        (error,) = app.error
        assert "restore" in error.value
        assert "our fault" not in error.value
        assert not next(button for button in app.button if button.label == "Next").disabled
        kept.write_bytes(whole)
        app.run()
        assert not app.exception and not app.error


def test_a_step_that_there_is_not_opens_the_first(app):
    app.query_params["step"] = "<b>nonsense</b>"
    app.switch_page(str(shell.page("gan"))).run()
    assert not app.exception
    assert app.subheader[0].value == "1. The game"


def test_the_numbers_are_those_of_the_models_that_ship():
    last = [line for line in runs.find("vae-mnist").metrics() if line["split"] == "val"][-1]
    shown = {model["title"]: model for model in lessons.losses()["models"]}
    assert shown[runs.find("vae-mnist").title]["kl"] == last["kl"]
    groups = {group["title"]: group["rows"] for group in lessons.distances()["groups"]}
    for entry in runs.find("gan-mnist").evaluation():
        if entry["metric"] == "frechet":
            rows = [row for row in groups[entry["title"]] if row[0] == runs.find("gan-mnist").title]
            assert rows[0][1] == entry["value"]
    (title,) = {
        entry["title"]
        for entry in runs.find("vae-imagenette-plus").evaluation()
        if (entry["metric"], entry["features"]) == ("frechet", "classifier-imagenette")
    }
    name = runs.find("vae-imagenette-plus").title
    assert f"{name} (learnt from this classifier)" in [row[0] for row in groups[title]]
    assert all(model["shares"] for model in lessons.shares()["models"])
    for model, name in zip(
        lessons.chances()["models"], ("gan-mnist", "gan-imagenette"), strict=True
    ):
        last = [line for line in runs.find(name).metrics() if line["split"] == "val"][-1]
        assert (model["title"], model["d"]) == (runs.find(name).title, last["d_fake"])


def test_the_typical_pictures_lie_apart_and_their_posteriors_are_the_encoders():
    run = runs.find(lessons.PLANE)
    shown = lessons.typical()["pictures"]
    assert [picture["name"] for picture in shown] == [str(digit) for digit in range(10)]
    stored = posteriors.stored(run)
    assert stored is not None
    for digit, picture in enumerate(shown):
        # The decoder's picture of a latent is encoded near it, among its own kind.
        distances = (stored.means - torch.tensor(picture["mean"])).norm(dim=1)
        nearest = [stored.labels[index] for index in distances.topk(11, largest=False).indices]
        assert nearest.count(digit) > 5, digit
        assert all(0 < deviation < 1 for deviation in picture["deviation"])


TRANSLATE = """(place) => {
    // As Chrome's translator: the text of each node in elements of its own.
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts.filter(({ data }) => data.trim())) {
        const [outer, inner] = ["font", "font"].map((tag) => document.createElement(tag));
        text.replaceWith(outer);
        outer.append(inner);
        inner.append(`${text.data}~`);
    }
    return texts.length;
}"""


def test_every_step_is_moved_by_the_keyboard_and_asks_nothing_of_the_server(page, tmp_path):
    """Translated too; all of it is on a projector's screen, and nothing is cut on a telephone."""
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as server:
        for name, steps in STEPS.items():
            page.set_viewport_size({"width": 1280, "height": 800})
            page.goto(f"{server}/{name}")
            for number, step in enumerate(steps, 1):
                page.get_by_role("heading", name=f"{number}. {step}").wait_for()
                handle = page.locator(".genmodels-handle").first
                handle.wait_for(state="attached")
                page.wait_for_selector(
                    "[data-testid=stApp][data-test-script-state=notRunning]", state="attached"
                )
                page.wait_for_timeout(500)  # A decoder may be on its way.
                before, lesson = page.traffic.messages, page.locator(".genmodels-lesson")
                together = lesson.locator(".genmodels-sides").first
                assert together.locator(".genmodels-figure").count(), step
                assert together.locator(".genmodels-formula").count(), step
                for seen in (together, page.get_by_role("button", name="Next")):
                    box = seen.bounding_box()
                    assert box["y"] >= 0 and box["y"] + box["height"] <= 800, step
                for translated in (False, True):
                    assert not translated or lesson.evaluate(TRANSLATE) > 10
                    words = lesson.inner_text()
                    handle.focus()
                    for _ in range(4):
                        page.keyboard.press("ArrowRight")
                        page.keyboard.press("ArrowUp")
                    assert lesson.inner_text() != words, step
                    if translated:  # What stayed the same stays translated.
                        assert lesson.locator(".genmodels-title").first.inner_text()[-1] == "~"
                assert page.traffic.messages == before, step
                page.set_viewport_size({"width": 400, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") == 400
                for picture in lesson.locator(".genmodels-first").all():
                    assert picture.bounding_box()["y"] < handle.bounding_box()["y"], step
                page.set_viewport_size({"width": 1280, "height": 800})
                if number < len(steps):
                    page.get_by_role("button", name="Next").click()
        assert page.traffic.trouble == []
