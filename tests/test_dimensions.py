"""The Dimensions page: what its numbers say, the page itself, and its handles in a browser."""

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from browser import open_page, pixels, serving
from streamlit.testing.v1 import AppTest
from test_pages import wait_for_work

import genmodels
from genmodels import folders, latent
from genmodels.latent import Kept
from genmodels.models.prior import ClassPrior
from genmodels.ui import dimensions_view, navigation, shared, shell


def described(latent_dim: int = 3, **parts: Any) -> Any:
    """What is asked of a model; its latents are of N(0, 1) unless it has a prior."""
    return SimpleNamespace(**{"prior": None, "latent_dim": latent_dim} | parts)


def test_quantiles_take_equal_steps_of_probability_and_have_zero_in_the_middle():
    values = latent.quantiles(described(), 21)
    assert values.shape == (21, 3)
    values = values[:, 1]
    assert values[10] == pytest.approx(0, abs=1e-6)
    assert values[-1] == pytest.approx(2.326348)  # Φ⁻¹(0.99), of any table
    probability = [(1 + math.erf(value / math.sqrt(2))) / 2 for value in values.tolist()]
    steps = torch.tensor(probability).diff()
    torch.testing.assert_close(steps, torch.full((20,), 0.049))


@pytest.mark.parametrize("scaled", [False, True])
def test_as_many_draws_of_a_prior_of_classes_lie_below_its_quantiles(scaled):
    torch.manual_seed(0)
    prior = ClassPrior(3, 2 if scaled else 1, 4, scaled)
    if prior.scales is not None and prior.weights is not None:
        prior.means.copy_(torch.randn(3, 2, 4) * 3)
        prior.scales.copy_(torch.randn(3, 2, 4, 4).tril())
        prior.weights.copy_(torch.tensor([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]]))
    values = latent.quantiles(described(4, prior=prior), 5, 0.1)
    labels, choice = torch.randint(3, (20_000,)), torch.rand(20_000)
    with torch.no_grad():
        draws = prior(torch.randn(20_000, 4), labels, choice)
    below = (draws[:, None] < values).float().mean(0)
    expected = torch.linspace(0.1, 0.9, 5)[:, None].expand(5, 4)
    torch.testing.assert_close(below, expected, atol=0.015, rtol=0)


def test_a_traversal_changes_one_number_alone():
    start = torch.tensor([1.0, 2.0, 3.0])
    walk = latent.traversal(start, 1, torch.tensor([-1.0, 0.5]))
    assert walk.tolist() == [[1.0, -1.0, 3.0], [1.0, 0.5, 3.0]]
    assert start.tolist() == [1.0, 2.0, 3.0]


def test_picture_change_is_that_of_a_linear_decoder_and_zero_where_it_ignores():
    # Pixels are a quarter of z1 in one half of the picture, and half of z3 in one quarter of it.
    weight = torch.zeros(4, 3)
    weight[:2, 0], weight[2, 2] = 0.25, 0.5
    decoder = described(decode=lambda z: (z @ weight.T).view(-1, 1, 2, 2))
    told = []
    latents = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    change = latent.picture_change(decoder, latents, lambda *words: told.append(words))
    way = 2 * 1.2815516  # Φ⁻¹(0.9)
    expected = [0.25 * way * math.sqrt(2 / 4), 0, 0.5 * way * math.sqrt(1 / 4)]
    torch.testing.assert_close(change, torch.tensor(expected))
    assert told[-1] == ("Moving each dimension", 3, 3)


def test_rows_are_what_the_model_decodes_with_one_number_changed(make_run):
    run = make_run("gan", "gan-mnist", latent_dim=6)
    model = genmodels.load("gan")
    start = model.sample_latents(1, seed=1)[0]
    made = dimensions_view.rows(run, model, start, [3, 0, 5, 1, 4])
    changed = start.clone()
    changed[4] = latent.quantiles(model, 21)[6, 4]
    with torch.inference_mode():
        expected = shared.as_pictures(model.decode(changed[None]))[0]
    difference = made[4].frames[6].astype(int) - expected
    assert abs(difference).max() <= 1
    assert made[4].strip.startswith("data:image/webp;base64,")


def test_a_handle_stands_where_the_latent_is():
    what = dimensions_view.Carried(torch.ones(3), torch.zeros(3, dtype=torch.bool), "kl", "")
    values = latent.quantiles(described(), 21)[:, 0].tolist()
    row = dimensions_view.Row(torch.zeros(21, 1, 1, 1).byte().numpy(), "", values)
    start = torch.tensor([0.0, 9.0, values[4]])
    places = [dimensions_view.traversal(row, start, i, what)["position"] for i in range(3)]
    assert places == pytest.approx([10, 20, 4], abs=1e-4)


def test_the_downloads_hold_every_second_frame_and_every_number():
    frames = torch.arange(21).byte().view(21, 1, 1, 1).expand(21, 28, 28, 1).numpy()
    made = dimensions_view.sheet([dimensions_view.Row(frames, "", [])] * 3, [6, 0, 4])
    assert made.size == (48 + 11 * 56, 3 * 56)
    assert [made.getpixel((48 + 56 * tile + 9, 60)) for tile in range(11)] == list(range(0, 21, 2))

    what = dimensions_view.Carried(
        torch.tensor([0.5, 0.001]), torch.tensor([False, True]), "kl", ""
    )
    lines = dimensions_view.table(torch.tensor([-1.5, 0.25]), what).decode().split()
    assert lines == ["dimension,value,kl_nats", "z1,-1.5,0.5", "z2,0.25,0.001"]
    assert what.in_words(1) == "0.001 nats, dead"


# The page


@pytest.fixture
def app(runs_folder, cache_folder, monkeypatch) -> AppTest:
    """The app on the shipped runs and those of the test, with no data set."""
    monkeypatch.setenv("GENMODELS_DATA", str(runs_folder / "nowhere"))
    return AppTest.from_file(str(navigation.__file__), default_timeout=120).run()


def open_dimensions(app: AppTest, **parameters: str) -> AppTest:
    for name, text in parameters.items():
        app.query_params[name] = text
    app.switch_page(str(shell.page("dimensions"))).run()
    wait_for_work(app)
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.error])


def test_a_run_without_recorded_kl_is_sorted_by_the_change_and_says_so(app, make_run):
    make_run("old", latent_dim=3)
    open_dimensions(app, model="old")
    assert "has not recorded the KL" in texts(app)
    assert not app.error


def test_dead_dimensions_are_said_and_come_last(app, make_run):
    run = make_run("mine", latent_dim=4)
    (run.path / "latents.json").write_text(json.dumps({"kl": [0.004, 1.5, 0.001, 2.5]}))
    open_dimensions(app, model="mine")
    assert "2 dimensions are dead" in texts(app)
    what = dimensions_view.carried(run, None)
    assert what is not None
    assert what.order == [3, 1, 0, 2]
    assert what.dead.tolist() == [True, False, True, False]
    assert what.in_words(3) == "2.50 nats, 62% of the KL"


def test_a_moved_latent_is_in_the_address_until_another_start_is_chosen(app, make_run):
    run = make_run("gan", "gan-mnist", latent_dim=4)
    text = Kept.of(run, torch.tensor([1.0, 0.0, -1.0, 2.0])).text
    open_dimensions(app, model="gan", z=text)
    assert app.text_input(key="z").value == text
    app.number_input(key="a_seed").set_value(5).run()
    assert app.text_input(key="z").value == ""
    app.text_input(key="z").set_value(text).run()
    next(button for button in app.button if button.label == "Keep as B").click().run()
    assert app.session_state["b_latent"] == text
    next(button for button in app.button if button.label == "Reset").click().run()
    assert app.text_input(key="z").value == ""
    assert not app.exception


@pytest.mark.parametrize(
    ("z", "words"), [("nonsense!", "no latent"), ("AAAAAA", "2 numbers"), ("AHwAfAB8AHw", "no lat")]
)
def test_nonsense_in_the_address_is_a_sentence(app, make_run, z, words):
    make_run("gan", "gan-mnist", latent_dim=4)
    open_dimensions(app, model="gan", z=z, rows="1000")
    assert words in app.error[0].value.replace("\\", "")


# In a browser


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dimensions")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, folders.REPOSITORY / "app.py", places) as address:
        yield address


AT_REST = "[role=img][aria-label$='the latent as it is']"


def test_a_moved_handle_changes_the_picture_alone_and_its_release_tells_the_server(page, server):
    open_page(page, f"{server}/dimensions?model=vae-mnist&rows=3", AT_REST)
    handles = page.locator(".genmodels-row input[type=range]")
    page.wait_for_timeout(1500)
    at_first, before = pixels(page, ".genmodels-frame"), page.traffic.total()

    handles.nth(1).focus()
    seen = {at_first}
    for key in ("Home", "PageUp", "ArrowRight"):
        page.keyboard.down(key)
        seen.add(pixels(page, ".genmodels-frame"))
    assert handles.nth(1).get_attribute("aria-valuetext").endswith("= −0.51")  # Φ⁻¹(0.304)
    assert len(seen) == 4
    assert page.traffic.total() == before
    page.keyboard.up("ArrowRight")
    page.wait_for_selector(AT_REST)
    page.wait_for_url("**z=*")
    by_key = page.url
    assert handles.nth(1).evaluate("handle => handle.matches(':focus')")
    assert handles.nth(1).get_attribute("aria-valuetext").endswith("= −0.51")
    page.wait_for_timeout(1500)

    handles.nth(2).scroll_into_view_if_needed()
    before, box = page.traffic.total(), handles.nth(2).bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 10, middle)
    page.mouse.down()
    seen = set()
    for step in range(41):
        page.mouse.move(box["x"] + 10 + (box["width"] - 20) * step / 40, middle)
        page.wait_for_timeout(20)
        seen.add(pixels(page, ".genmodels-frame"))
    assert len(seen) >= 15
    assert page.traffic.total() == before
    page.mouse.up()
    page.wait_for_selector(AT_REST)
    assert page.url != by_key
    assert handles.nth(2).get_attribute("aria-valuetext").endswith("= +2.33")

    page.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_function("() => !location.search.includes('z=')")
    page.wait_for_timeout(1500)
    assert pixels(page, ".genmodels-frame") == at_first
    assert not page.traffic.trouble
