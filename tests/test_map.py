"""The map of the latent space: its plane and pictures, t-SNE, the page, and its component."""

import base64
import io
import re
import subprocess

import numpy as np
import pytest
import torch
from browser import WAIT, open_page, pixels, serving
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages import wait_for_work

from genmodels import folders, latent, pictures, posteriors, runs, tsne, weights
from genmodels.errors import RunError
from genmodels.latent import Kept
from genmodels.ui import map_view, navigation, shell

COUNT = 60
CLASSES = "0123456789"


@pytest.fixture
def mapped(make_run):
    """Makes a run that keeps posterior means: three clusters, far from each other."""

    def make(latent_dim: int = 2, count: int = COUNT, own: str | None = None, **spoilt) -> runs.Run:
        changes = {"pictures": own, "distance_every": None} if own else {}
        run = make_run("mine", "vae-mnist-2d", latent_dim=latent_dim, **changes)
        labels = [index % 3 for index in range(count)]
        noise = torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(0))
        centres = torch.tensor([[-20.0, 0.0], [20.0, 0.0], [0.0, 30.0]])
        means = 0.1 * noise
        means[:, :2] += centres[labels]
        plain = {
            "class_means": {name: [0.0] * latent_dim for name in CLASSES},
            "posterior_means": means.tolist(),
            "labels": labels,
        }
        runs.write_json(run.path / "latents.json", plain | spoilt)
        return run

    return make


# The library


def test_the_plane_of_the_first_components_holds_their_share_of_the_variance():
    signs = torch.tensor([[a, b, c] for a in (-1.0, 1.0) for b in (-1.0, 1.0) for c in (-1.0, 1.0)])
    latents = signs * torch.tensor([3.0, 1.0, 2.0])  # variances 9 : 1 : 4
    plane = latent.principal_plane(latents)
    assert latent.held_variance(plane, latents) == pytest.approx(13 / 14)
    assert latent.held_variance(plane, torch.zeros(4, 3)) == 1


def test_a_picture_in_colour_keeps_below_its_limit_and_a_grey_one_is_not_touched():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    colour = Image.fromarray(noise)
    grey = Image.fromarray(noise[..., 0])
    limit = len(pictures.webp(colour)) // 2
    assert limit / 3 < len(pictures.webp_within(colour, limit)) <= limit
    assert pictures.webp_within(grey, 100) == pictures.webp(grey)


def test_stored_posterior_means_have_labels_of_the_data_sets_classes():
    stored = posteriors.stored(runs.find("vae-mnist"))
    assert stored is not None
    assert stored.means.shape == (2000, 16)
    assert stored.classes[stored.labels[0]] == "7"  # MNIST's first test image
    assert posteriors.stored(runs.find("gan-mnist")) is None


@pytest.mark.parametrize(
    "spoilt",
    [
        {"labels": [0]},
        {"labels": [99] * COUNT},
        {"labels": None},
        {"posterior_means": [[0.0] * 3] * COUNT},
        {"posterior_means": [["x", "y"]] * COUNT},
        {"posterior_means": [[float("nan"), 0.0]] * COUNT},
    ],
)
def test_damaged_posterior_means_are_said(mapped, spoilt):
    run = mapped(**spoilt)
    with pytest.raises(RunError, match=r"mine: latents.json is damaged"):
        posteriors.stored(run)


def test_classes_of_own_pictures_are_known_when_these_are_gone(mapped, app):
    names = ["*cats*", "<b>dogs</b>", "=rats"]
    mapped(own="mine-123456789abc", class_means={name: [0.0, 0.0] for name in names})
    stored = posteriors.stored(runs.find("mine"))
    assert stored is not None and stored.classes == names
    show(app, model="mine", at="1,1,1")
    assert not app.error
    assert app.image[0].captions == [shell.plain("Chosen point: <b>dogs</b>")]


def tiles_of(sheet) -> pictures.Images:
    content = base64.b64decode(sheet["url"].split(",")[1])
    with Image.open(io.BytesIO(content)) as picture:
        return pictures.split(picture, sheet["height"], sheet["width"])


def test_the_tiles_and_the_points_show_what_decodes_there(mapped):
    run = mapped()
    model, stored = weights.load_run(run), posteriors.stored(run)
    assert stored is not None
    shown = map_view.principal_map(model, stored.means, stored.labels)
    low, high = stored.means.amin(0), stored.means.amax(0)
    assert shown.left < low[0] and shown.left + shown.size > high[0]
    assert shown.bottom < low[1] and shown.bottom + shown.size > high[1]
    step = shown.size / map_view.SIDE
    corner = [shown.left + step / 2, shown.bottom + shown.size - step / 2]  # top, left
    below = [corner[0], corner[1] - step]
    expected = map_view.decode(model, torch.tensor([corner, below]))
    tiles = tiles_of(shown.tiles)
    assert (tiles[[0, map_view.SIDE]] == expected).all()
    assert (tiles[0] != tiles[-1]).any()
    assert shown.thumbnails
    thumbnails = tiles_of(shown.thumbnails)
    own = map_view.decode(model, stored.means[7:8])
    assert (thumbnails[7] == own[0]).all()
    assert (thumbnails[7] != thumbnails[8]).any()
    assert shown.points[7] == pytest.approx((*stored.means[7].tolist(), 1), abs=1e-4)


@pytest.mark.parametrize("name", ["vae-imagenette", "gan-imagenette"])
def test_a_map_in_colour_is_below_one_and_a_half_megabytes(name):
    run = runs.find(name)
    model, stored = weights.load_run(run), posteriors.stored(run)
    if stored:
        shown = map_view.principal_map(model, stored.means, stored.labels)
    else:
        shown = map_view.seeds_map(model, (0, 1, 2))
    sheets = [sheet for sheet in (shown.tiles, shown.thumbnails) if sheet]
    assert sum(len(sheet["url"]) for sheet in sheets) < 1_450_000


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.5,-1.25", ([0.5, -1.25], [])),
        ("1,2,17", ([1, 2, 17], [])),
        ("1,2;0.5,-1", ([1, 2], [0.5, -1])),
        ("1,2;0.5;0.5", None),
        ("1,2;1.5", None),
        ("1,2;", None),
        ("1,2;nan", None),
        ("", None),
        ("1", None),
        ("1,2,3,4", None),
        ("1,2,-3", None),
        ("1,2,0.5", None),
        ("1,2,inf", None),
        ("nan,0", None),
        ("1e9,0", None),
        ("<b>,0", None),
    ],
)
def test_a_place_is_read_from_the_address(text, numbers):
    assert map_view.place_of(text) == numbers


def test_class_names_are_no_formulas_in_a_spreadsheet():
    stored = posteriors.Stored(torch.zeros(2, 2), [0, 1], ["=1+1", "a, b"], [0, 1])
    lines = map_view.points_csv(torch.tensor([[0.5, -1.0], [2.0, 3.0]]), stored).decode()
    assert lines.splitlines() == ["x,y,class", "0.5,-1,'=1+1", '2,3,"a, b"']


def test_a_tsne_that_nobody_waits_for_is_ended(mapped, cache_folder, monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    run = mapped(latent_dim=4)
    steps = tsne.steps(run)
    assert next(steps) == 50
    assert started[0].poll() is None
    steps.close()
    assert started[0].poll() is not None
    assert tsne.read(run) is None


# The page


@pytest.fixture
def app(runs_folder, cache_folder, monkeypatch, tmp_path) -> AppTest:
    """The app, with no data set."""
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "nowhere"))
    return AppTest.from_file(navigation.__file__, default_timeout=120).run()


def show(app: AppTest, **address: str) -> AppTest:
    for name, text in address.items():
        app.query_params[name] = text
    app.switch_page(str(shell.page("map"))).run()
    wait_for_work(app)
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run(timeout=120)
    assert not app.exception


def captions(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption)


@pytest.mark.parametrize("name", ["vae-mnist", "vae-imagenette", "gan-mnist", "gan-imagenette"])
def test_every_shipped_run_has_a_map(app, name):
    show(app, model=name)
    assert not app.error
    assert len(app.get("bidi_component")) == 1
    assert ("principal components" in captions(app)) == name.startswith("vae")
    assert len(app.number_input) == (0 if name.startswith("vae") else 3)


def test_a_chosen_place_decodes_and_is_kept_as_an_end_of_a_walk(app, mapped):
    mapped()
    show(app, model="mine", at="1.5,-2")
    assert "the map is exact" in captions(app)
    press(app, "Keep as A")
    assert (
        app.session_state["a_latent"] == Kept.of(runs.find("mine"), torch.tensor([1.5, -2.0])).text
    )
    assert app.toast[0].value == "Kept as A."
    assert app.query_params["at"] == "1.5,-2"


def test_a_chosen_point_is_the_posterior_mean_itself_and_not_its_shadow(app, mapped):
    run = mapped(latent_dim=4)
    show(app, model="mine", at="3,3,5")
    press(app, "Keep as B")
    stored = posteriors.stored(run)
    assert stored is not None
    assert app.session_state["b_latent"] == Kept.of(runs.find("mine"), stored.means[5]).text


@pytest.mark.parametrize("at", ["rubbish", "1,2,999", "1,2,1e300", "<img src=x>", "nan,nan"])
def test_a_place_that_there_is_not_is_said_beside_the_map(app, mapped, at):
    mapped()
    show(app, model="mine", at=at)
    assert "click one" in app.error[0].value
    assert len(app.get("bidi_component")) == 1


def test_the_place_of_another_map_is_forgotten(app, mapped):
    mapped()
    show(app, model="mine", at="1.5,-2")
    app.selectbox(key="model").set_value("gan-mnist").run()
    wait_for_work(app)
    assert not app.exception and not app.error
    assert "at" not in app.query_params


def test_equal_seeds_are_refused(app):
    show(app, model="gan-mnist", A="5")
    assert not app.error
    app.number_input(key="B").set_value(5).run()
    assert "span no plane" in app.error[0].value


@pytest.mark.parametrize("content", [None, "{}", '{"posterior_means": []}'])
def test_a_run_without_posterior_means_has_the_plane_of_three_seeds(app, mapped, content):
    path = mapped(latent_dim=4).path / "latents.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    show(app, model="mine")
    assert not app.error
    assert "keeps no posterior means" in app.info[0].value
    assert len(app.number_input) == 3


def test_damaged_latents_are_said_on_the_page(app, mapped):
    mapped(labels=[0])
    show(app, model="mine")
    assert "damaged" in app.error[0].value


def test_tsne_is_computed_on_the_page_and_keeps_clusters_apart(app, mapped):
    mapped(latent_dim=4)
    show(app, model="mine", **{"as": "t-SNE"})
    press(app, "Compute t-SNE")
    wait_for_work(app)
    assert not app.error
    assert len(app.get("plotly_chart")) == 1
    points = tsne.read(runs.find("mine"))
    assert points is not None and points.shape == (COUNT, 2)
    nearest = (torch.cdist(points, points) + 1e9 * torch.eye(COUNT)).argmin(1)
    assert (nearest % 3 == torch.arange(COUNT) % 3).all()


def test_few_posterior_means_make_no_tsne(app, mapped):
    mapped(count=5)
    show(app, model="mine", **{"as": "t-SNE"})
    assert "keeps fewer" in app.info[0].value


# In a browser


def test_a_person_looks_around_and_chooses(page, mapped, runs_folder, tmp_path):
    mapped()
    places = {"runs": str(runs_folder), "cache": str(tmp_path / "cache"), "data": "/nowhere"}
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as server:
        page.set_viewport_size({"width": 1280, "height": 1100})
        open_page(page, f"{server}/map?model=mine", ".genmodels-plane")
        page.wait_for_timeout(1000)
        plane = page.locator(".genmodels-plane")
        box = plane.bounding_box()
        before = page.traffic.total()
        seen = set()
        for step in range(1, 20):
            page.mouse.move(box["x"] + box["width"] * step / 20, box["y"] + box["height"] / 20)
            seen.add(pixels(page, ".genmodels-large"))
        assert len(seen) >= 10
        assert page.traffic.total() == before

        # A free place, which is no middle of a tile.
        page.mouse.click(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2 + 5)
        page.wait_for_url(re.compile(r"at=-?[\d.e-]+%2C-?[\d.e-]+$"))
        page.wait_for_selector("text=Chosen place")
        # A point of the class 0, at the left.
        left, bottom, size = area(page)
        spot = {
            "x": (-20 - left) / size * box["width"],
            "y": box["height"] - (0 - bottom) / size * box["height"],
        }
        plane.click(position=spot)
        page.wait_for_selector("text=Chosen point: 0")
        page.get_by_role("button", name="0", exact=True).click()  # hides the class
        plane.click(position=spot)
        page.wait_for_selector("text=Chosen place")

        plane.focus()
        here = page.locator(".genmodels-where").inner_text()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        assert page.locator(".genmodels-where").inner_text() != here
        assert "x " in page.locator(".genmodels-live").inner_text()
        address = page.url
        page.keyboard.press("Enter")
        page.wait_for_function("old => location.href !== old", arg=address)
        assert "Chosen" in page.locator(".genmodels-live").inner_text()
        page.get_by_role("button", name="Keep as A").click()
        page.wait_for_selector("text=Kept as A.")
        page.get_by_role("button", name="Keep as B").click()
        page.get_by_alt_text("The picture of B").wait_for()
        page.get_by_text("Walk from A to B").click()
        page.wait_for_selector("text=Kept latent")
        assert not page.traffic.trouble


def test_on_a_telephone_a_finger_scrolls_looks_around_and_taps(browser, tmp_path):
    places = {name: str(tmp_path / name) for name in ("runs", "cache", "data")}
    size = {"width": 400, "height": 800}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    with serving(tmp_path, folders.REPOSITORY / "app.py", places) as server:
        open_page(page, f"{server}/map?model=vae-mnist-2d", ".genmodels-plane")
        page.get_by_text("Swipe up or down to scroll").wait_for()
        page.wait_for_selector(".genmodels-large[data-place]")
        plane, where = page.locator(".genmodels-plane"), page.locator(".genmodels-where")
        finger = Finger(context.new_cdp_session(page))
        box = plane.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        # Up: the page moves, and nothing is chosen.
        finger.swipe([(x, y - step) for step in range(0, 160, 10)])
        moved = 0.0
        for _ in range(400):
            if (moved := box["y"] - plane.bounding_box()["y"]) > 50:
                break
            page.wait_for_timeout(50)
        assert moved > 50
        assert "at=" not in page.url
        assert page.locator(".genmodels-live").inner_text() == ""

        # Sideways, and then anywhere: the page stays, and the picture follows.
        there = settled(page, plane)
        x, y = there["x"] + 40, there["y"] + there["height"] / 2
        seen = set()
        path = [(x + step, y) for step in range(0, 100, 10)]
        path += [(x + 100, y + step) for step in range(0, 60, 10)]
        finger.swipe(path, lambda: seen.add(where.inner_text()))
        assert len(seen) > 8
        assert plane.bounding_box() == there
        page.wait_for_url(re.compile("at="))
        chosen = page.url
        settled(page, plane)
        plane.tap(position={"x": 60, "y": 60})
        page.wait_for_function("old => location.href !== old", arg=chosen)

        open_page(page, f"{server}/sample", "[role=option]")
        spread = page.get_by_role("slider", name="Spread")
        grid = page.locator("[role=listbox].genmodels-grid").bounding_box()
        assert grid["y"] + grid["height"] < spread.bounding_box()["y"]
        open_page(page, f"{server}/together?models=vae-mnist&models=gan-mnist", "img[alt*=samples]")
        picture = page.locator("img[alt*=samples]").last.bounding_box()
        spread = page.get_by_role("slider", name="Spread").bounding_box()
        assert picture["y"] + picture["height"] < spread["y"]
    context.close()


class Finger:
    """Touches the page as a person does: the browser decides what is a scroll."""

    def __init__(self, session):
        self.session = session

    def swipe(self, places, between=lambda: None) -> None:
        kind = "touchStart"
        for x, y in places:
            points = [{"x": x, "y": y}]
            self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            kind = "touchMove"
            between()
        self.session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def settled(page, locator):
    """Where it is, once it rests there."""
    before = None
    while (box := locator.bounding_box()) != before:
        before = box
        page.wait_for_timeout(300)
    return box


def area(page) -> tuple[float, float, float]:
    """Left, bottom and size of the map, of the words below it."""
    words = page.get_by_text(re.compile("x from")).inner_text()
    left, right, bottom, _ = (float(n) for n in re.findall(r"-?\d+\.\d\d", words)[-4:])
    return left, bottom, right - left
