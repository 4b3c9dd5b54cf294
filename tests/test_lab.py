"""Latents kept, added and subtracted; models side by side; the film of the epochs."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from browser import open_page as open_in_browser
from browser import pixels, serving
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages import wait_for_work

import genmodels
from genmodels import folders, latent, pictures, runs, weights
from genmodels.latent import Kept
from genmodels.ui import curves_view, navigation, shared, shell

APP = Path(navigation.__file__)
ZEROS = f"vae-mnist~~{latent.to_text(torch.zeros(16))}"
"""A latent of vae-mnist."""


@pytest.fixture
def app(monkeypatch, tmp_path) -> AppTest:
    """The app on the shipped runs alone, with no data set."""
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"GENMODELS_{name}", str(tmp_path / name.lower()))
    return AppTest.from_file(str(APP), default_timeout=60)


def open_page(app: AppTest, page: str, **query: str | list[str]) -> AppTest:
    app.run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(str(shell.page(page))).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption])


def test_a_kept_latent_is_an_end_of_the_walk(app):
    kept = torch.linspace(-1, 1, 16)
    open_page(app, "interpolate", a_from="Kept", a_latent=latent.to_text(kept))
    assert not app.error
    assert app.text_input(key="a_latent").value == latent.to_text(kept)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<b>nonsense</b>", "is no latent"),
        (f"a~b~c~{latent.to_text(torch.zeros(16))}", "is no latent"),
        (f"../x~b~{latent.to_text(torch.zeros(16))}", "is no latent"),
        (latent.to_text(torch.zeros(2)), "2 numbers, and the model takes 16"),
    ],
)
@pytest.mark.parametrize("page", ["interpolate", "arithmetic"])
def test_a_link_with_a_wrong_latent_says_so(app, page, text, sentence):
    open_page(app, page, a_from="Kept", a_latent=text)
    assert sentence in app.error[0].value.replace("\\", "")


@pytest.mark.parametrize("page", ["interpolate", "arithmetic", "dimensions"])
def test_a_latent_of_another_model_is_not_decoded_and_its_model_is_offered(app, page):
    text = Kept.of(runs.find("vae-mnist-plus"), torch.zeros(16)).text
    open_page(app, page, model="vae-mnist", a_from="Kept", a_latent=text)
    said = app.error[0].value.replace("\\", "")
    assert "belongs to the model vae-mnist-plus" in said and "Switch" in said
    assert app.segmented_control(key="a_from").value == "Kept"
    # The other ends are there, and nothing that would need this one.
    assert page != "arithmetic" or app.segmented_control(key="c_from").value == "Class mean"
    assert not app.get("download_button")
    app.button(key="switch-a").click().run()
    assert not app.error and not app.exception
    assert app.selectbox(key="model").value == "vae-mnist-plus"
    assert app.text_input(key="a_latent").value == text


def test_a_changed_latent_of_another_model_is_not_decoded_either(app):
    text = Kept.of(runs.find("vae-mnist-plus"), torch.zeros(16)).text
    open_page(app, "dimensions", model="vae-mnist", z=text)
    assert "belongs to the model vae-mnist-plus" in app.error[0].value.replace("\\", "")
    app.button(key="switch-z").click().run()
    assert not app.error and not app.exception


def test_a_latent_kept_before_more_training_says_so(app, make_run):
    run = make_run("mine", latent_dim=4)
    text = Kept.of(run, torch.zeros(4)).text
    model = genmodels.load("mine")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    weights.save_networks(run.path, {n: m.state_dict() for n, m in model.networks.items()}, 0)
    open_page(app, "interpolate", model="mine", a_from="Kept", a_latent=text)
    assert "trained further" in app.warning[0].value.replace("\\", "")
    assert not app.error


def test_a_latent_of_a_model_that_is_gone_says_so(app):
    text = f"gone~00000000~{latent.to_text(torch.zeros(16))}"
    open_page(app, "interpolate", a_from="Kept", a_latent=text)
    assert "isn't here" in app.error[0].value.replace("\\", "")


@pytest.mark.parametrize(
    ("page", "query", "kept", "needed"),
    [
        ("sample", {"picture": "3"}, "", "A and another one as B"),
        ("sample", {"picture": "3"}, "b", "A"),
        ("sample", {"picture": "3"}, "a", "B"),
        ("sample", {"picture": "3"}, "ab", ""),
        ("map", {"model": "vae-mnist-2d", "at": "0,0"}, "b", "A"),
        ("dimensions", {}, "", "B"),  # Its own start is A.
        ("arithmetic", {}, "", ""),
    ],
)
def test_a_walk_is_offered_once_it_has_both_ends(app, page, query, kept, needed):
    for end in kept:
        query = {**query, f"{end}_from": "Kept", f"{end}_latent": ZEROS}
    wait_for_work(open_page(app, page, **{"model": "vae-mnist", **query}))
    assert bool(app.get("page_link")) == (not needed)
    if needed:
        walk = app.button(key="walk")
        assert walk.disabled and walk.help == f"Keep a picture as {needed} first."
    if page == "sample" and kept == "b":
        app.button(key="keep-a").click().run()
        assert app.get("page_link")


@pytest.mark.parametrize("query", [{}, {"a_latent": ""}])
def test_kept_without_a_latent_says_what_to_do(app, query):
    open_page(app, "interpolate", a_from="Kept", **query)
    assert "Nothing is kept as A yet" in app.error[0].value


def test_the_result_of_arithmetic_is_kept_for_a_walk(app):
    open_page(app, "arithmetic", model="vae-mnist")
    app.button(key="keep-a").click().run()
    assert not app.exception
    means = runs.find("vae-mnist").latents()["class_means"]
    a, b, c = (torch.tensor(means[name]) for name in "714")
    assert app.session_state["a_latent"] == Kept.of(runs.find("vae-mnist"), a - b + c).text
    assert app.session_state["a_from"] == "Kept"


def test_a_seven_without_a_one_and_with_a_four_is_a_nine():
    model, judge = genmodels.load("vae-mnist"), genmodels.load("classifier-mnist")
    means = runs.find("vae-mnist").latents()["class_means"]
    a, b, c = (torch.tensor(means[name]) for name in "714")
    with torch.inference_mode():
        assert judge.classify(model.decode((a - b + c)[None])).argmax().item() == 9


def test_latents_become_a_table():
    table = shared.latents_csv({"A": torch.tensor([0.5, -1.0]), "B": torch.tensor([0.0, 2.0])})
    rows = list(csv.reader(io.StringIO(table.decode())))
    assert rows == [["dimension", "A", "B"], ["1", "0.5", "0"], ["2", "-1", "2"]]


@pytest.mark.parametrize("view", ["Samples", "Walk", "Epochs"])
def test_all_shipped_models_stand_side_by_side(app, view):
    models = ["vae-mnist", "gan-mnist", "vae-imagenette", "gan-imagenette"]
    open_page(app, "together", models=models, view=view)
    assert not app.error
    if view != "Epochs":
        assert all(f"`{name}`" in texts(app) for name in models)


def test_one_model_alone_has_nothing_beside_it(app):
    open_page(app, "together", models=["vae-mnist"])
    assert "Choose two models" in app.info[0].value


def test_a_walk_from_a_seed_to_itself_is_told(app):
    open_page(app, "together", models=["vae-mnist", "gan-mnist"], view="Walk", seed="1")
    assert "the same seed" in app.info[0].value
    app.number_input(key="seed_b").set_value(2).run()
    assert not app.info


def test_the_discriminator_is_asked_where_there_is_one(app):
    open_page(app, "interpolate", model="gan-mnist")
    assert any("discriminator" in heading.value for heading in app.subheader)
    app.selectbox(key="model").set_value("vae-mnist").run()
    assert not app.exception
    assert not any("discriminator" in heading.value for heading in app.subheader)


def test_what_a_hinge_loss_taught_is_called_no_probability(app, make_run):
    make_run("mine", "gan-mnist", loss="hinge", prior="classes")
    open_page(app, "interpolate", model="mine")
    assert "and no probability" in texts(app)
    app.selectbox(key="model").set_value("gan-mnist").run()
    assert "D(x) is the probability" in texts(app)


def test_latents_of_classes_are_longer_than_those_of_the_standard_normal(app, make_run):
    run = make_run("mine", "gan-mnist", prior="classes", latent_dim=64)
    model = genmodels.load("mine")
    with torch.no_grad():
        model.prior.means.fill_(3.0)
    weights.save_networks(run.path, {n: m.state_dict() for n, m in model.networks.items()}, 0)
    open_page(app, "arithmetic", model="mine")
    assert "those of the prior are about 25." in texts(app)  # √(64 · (3² + 1))
    app.selectbox(key="model").set_value("gan-mnist").run()
    assert "those of the prior are about 8.0" in texts(app)  # √64


@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_the_sum_of_a_loss_says_what_the_kl_weighs(make_run, weight):
    run = make_run("mine", kl_weight=weight)
    line = {
        "epoch": 1,
        "split": "val",
        "images_seen": 9,
        "loss": 150 + weight * 3,
        "reconstruction": 150,
        "kl": 3,
    }
    (run.path / "metrics.jsonl").write_text(f"{json.dumps(line)}\n")
    words = shared.losses_in_words(run)
    assert f"**{150 + weight * 3:.1f}** nats" in words
    assert words.endswith("reconstruction + 3.0 KL" if weight == 1 else "+ 10 · 3.0 KL")


def test_the_film_has_every_moment_of_both_runs(make_run):
    curves = []
    for name, seen in (("first", (0, 70, 140)), ("second", (0, 280))):
        run = make_run(name)
        runs.append_metrics(
            run.path, [{"epoch": 2, "split": "val", "images_seen": 140 if name == "first" else 280}]
        )
        (run.path / "samples").mkdir(exist_ok=True)
        for number in seen:
            sheet = Image.new("L", (224, 224), 50 + number // 4)
            (run.path / "samples" / f"{number:09d}.webp").write_bytes(pictures.webp(sheet))
        curves.append((run, run.metrics()))
    frames = curves_view.film(curves)
    seen = [[frame.convert("L").getpixel((x, 100)) for x in (20, 300)] for frame in frames]
    assert seen == [[50, 50], [67, 50], [85, 120]]


def test_players_of_one_group_move_together(page, tmp_path):
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as address:
        query = "models=vae-mnist&models=gan-mnist&view=Walk"
        open_in_browser(page, f"{address}/together?{query}", ".genmodels-slider >> nth=1")
        first, second = (page.locator(".genmodels-slider").nth(place) for place in (0, 1))
        frame = ".genmodels-frame >> nth=1"
        before, traffic = pixels(page, frame), page.traffic.total()
        first.focus()
        page.keyboard.press("End")
        assert second.input_value() == "30" and first.input_value() == "30"
        assert pixels(page, frame) != before
        assert page.traffic.total() == traffic
        assert page.traffic.trouble == []
