"""The custom components in a real browser, and the routes they load from."""

import base64
import gzip
import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import drag, open_page, pixels, serving
from PIL import Image
from streamlit.testing.v1 import AppTest

from genmodels import pictures, recipes, runs
from genmodels.ui import widgets

SEEN = (0, 64, 1000, 60_000, 120_000, 180_000)

SCRIPT = """
import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import pictures, runs
from genmodels.ui import routes
from genmodels.ui.widgets import curves as curves_file
from genmodels.ui.widgets import grid as grid_file
from genmodels.ui.widgets import player as player_file

app = st.App(__file__, routes=routes.ROUTES)

def frames(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)

def colours():
    return np.random.default_rng(0).integers(0, 256, (256, 64, 64, 3), dtype=np.uint8)

def player():
    new = st.button("New frames")
    player_file.player(
        sprite=pictures.sprite(frames(21 if new else 61, int(new))), count=21 if new else 61,
        height=28, width=28, label="From A to B", caption_start="A", caption_end="B",
        key="player",
    )

def grid():
    other = st.button("Choose the third")
    chosen = grid_file.picture_grid(
        sprite=pictures.sprite(frames(64, 0)), count=64, height=28, width=28, label="Pick one",
        selected=2 if other else None, key="grid",
    )
    st.text(f"chosen {chosen}")

def large():
    grid_file.picture_grid(
        sprite=pictures.sprite(colours()), count=256, height=64, width=64, label="Pick one",
        selected=None, key="large",
    )

def curves():
    run = runs.find("vae-mnist-1")
    stops = [[seen, seen / 60_000, url] for seen, url in routes.sample_urls(run).items()]
    figure = go.Figure(go.Scatter(x=[0, 1, 2, 3], y=[4, 3, 2, 1], name="val"))
    curves_file.curves(
        figure=figure, label="Loss over the epochs", plotly=routes.plotly_url(), key="curves",
        log=st.toggle("Log"),
        runs=[{"id": run.id, "title": run.title, "shape": [1, 28, 28], "stops": stops}],
    )

if __name__ == "__main__":
    st.set_page_config(layout="wide")
    globals()[st.query_params["show"]]()
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """The script, and a run with a sample of another grey for each moment."""
    folder = tmp_path_factory.mktemp("components")
    (folder / "script.py").write_text(SCRIPT)
    run = folder / "runs" / "vae-mnist-1"
    (run / "samples").mkdir(parents=True)
    recipe = recipes.to_json(recipes.named("vae-mnist"))
    info = {"format": runs.FORMAT, "title": "A VAE", "recipe": recipe, "parameters": {}}
    runs.write_json(run / "recipe.json", info)
    for index, seen in enumerate(SEEN):
        grey = Image.new("L", (224, 224), 40 * index + 20)
        (run / "samples" / f"{seen:09d}.webp").write_bytes(pictures.webp(grey))
    return folder


def start(workplace: Path, *options: str):
    places = {"runs": str(workplace / "runs")}
    quiet = "--browser.gatherUsageStats=false"
    return serving(workplace, workplace / "script.py", places, quiet, *options)


@pytest.fixture(scope="module")
def server(workplace) -> Iterator[str]:
    with start(workplace) as address:
        yield address


# The player


@pytest.fixture
def player(page, server):
    open_page(page, f"{server}/?show=player", ".genmodels-slider")
    page.wait_for_function(
        "() => document.querySelector('.stBidiComponent [data-testid]').shadowRoot"
        ".querySelector('canvas').width === 28"
    )
    page.wait_for_timeout(300)
    return page


@pytest.mark.parametrize("handle", [".genmodels-slider", ".genmodels-frame"])
def test_the_picture_changes_while_it_is_dragged_and_the_server_hears_nothing(player, handle):
    before = player.traffic.total()
    seen = drag(
        player,
        player.locator(handle).bounding_box(),
        lambda: (pixels(player, ".genmodels-frame"), player.traffic.total()),
    )
    assert len({frame for frame, _ in seen}) >= 20
    assert {traffic for _, traffic in seen} == {before}
    slider = player.locator(".genmodels-slider")
    assert int(slider.input_value()) >= 54
    player.wait_for_timeout(300)
    assert player.traffic.total() == before
    assert not player.traffic.trouble


def test_the_player_shows_the_right_frame_and_says_so(player):
    slider = player.locator(".genmodels-slider")
    slider.press("Home")
    for _ in range(11):
        slider.press("ArrowRight")
    words = "frame 12 of 61, 18 % of the way from A to B"
    assert slider.get_attribute("aria-valuetext") == words
    canvas = player.get_by_role("img", name=f"From A to B: {words}")
    assert canvas.is_visible()
    encoded = canvas.evaluate("canvas => canvas.toDataURL()").split(",")[1]
    frames = np.random.default_rng(0).integers(0, 256, (61, 28, 28, 1), dtype=np.uint8)
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as shown:
        assert (np.asarray(shown)[..., :1] == frames[11]).all()
    slider.press("End")
    assert slider.input_value() == "60"
    slider.press("PageDown")
    assert int(slider.input_value()) < 60


def test_new_frames_keep_the_position_and_the_slider(player):
    slider = player.locator(".genmodels-slider")
    slider.press("Home")
    for _ in range(15):
        slider.press("ArrowRight")
    slider.evaluate("slider => (slider.same = true)")
    before = pixels(player, ".genmodels-frame")
    player.get_by_text("New frames").click()
    player.wait_for_function("s => s.max === '20'", arg=slider.element_handle())
    assert slider.input_value() == "5"
    assert slider.evaluate("slider => slider.same")
    player.wait_for_timeout(500)
    assert pixels(player, ".genmodels-frame") != before
    assert not player.traffic.trouble


def test_space_plays_and_pauses_and_back_and_forth_turns_round(player):
    slider = player.locator(".genmodels-slider")
    player.get_by_label("Speed").select_option("2×")
    play = player.locator(".genmodels-play")
    assert play.get_attribute("aria-label") == "Play"
    play.press("Space")
    player.wait_for_function("s => s.valueAsNumber > 5", arg=slider.element_handle())
    assert play.get_attribute("aria-label") == "Pause"
    play.press("Space")
    stopped = slider.input_value()
    player.wait_for_timeout(300)
    assert slider.input_value() == stopped

    player.get_by_text("Back and forth").click()
    slider.press("End")
    play.press("Space")
    player.wait_for_function("s => s.valueAsNumber < 55", arg=slider.element_handle())
    play.press("Space")


# The grid


def test_a_click_returns_the_picture_and_python_can_choose_another(page, server):
    open_page(page, f"{server}/?show=grid", "[role=listbox]")
    page.get_by_role("option", name="picture 17 of 64").click()
    page.wait_for_selector("text=chosen 16")
    chosen = page.locator("[role=option][aria-selected=true]")
    assert chosen.get_attribute("aria-label") == "picture 17 of 64"

    page.get_by_text("Choose the third").click()
    page.wait_for_selector("text=chosen 2")
    assert chosen.get_attribute("aria-label") == "picture 3 of 64"
    page.get_by_role("option", name="picture 17 of 64").click()
    page.wait_for_selector("text=chosen None")  # the button is up again: `selected` changed
    page.get_by_role("option", name="picture 17 of 64").click()
    page.wait_for_selector("text=chosen 16")
    assert not page.traffic.trouble


@pytest.mark.parametrize("width", [900, 400])
def test_the_grid_is_eight_by_eight_and_moves_with_the_arrows(page, server, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_page(page, f"{server}/?show=grid", "[role=listbox]")
    boxes = page.locator("[role=option]").evaluate_all("all => all.map(e => e.offsetTop)")
    assert [boxes.count(top) for top in sorted(set(boxes))] == [8] * 8
    first = page.locator("[role=option]").first
    assert (first.bounding_box() or {})["width"] >= 40
    right = page.locator("[role=listbox]").evaluate("list => list.getBoundingClientRect().right")
    assert right <= width

    assert page.locator("[role=option][tabindex='0']").count() == 1
    first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=chosen 8")
    page.keyboard.press("End")
    page.keyboard.press("Space")
    page.wait_for_selector("text=chosen 63")


def test_a_large_sprite_is_shown_pixel_by_pixel(page, server):
    page.set_viewport_size({"width": 1400, "height": 900})
    open_page(page, f"{server}/?show=large", "[role=listbox]")
    page.wait_for_timeout(1000)
    tile = page.get_by_role("option", name="picture 23 of 256")
    with Image.open(io.BytesIO(tile.screenshot())) as shown:
        colours = np.random.default_rng(0).integers(0, 256, (256, 64, 64, 3), dtype=np.uint8)
        seen = np.asarray(shown.convert("RGB"))
    inner = colours[22][4:60, 4:60]  # without the rounded corners
    assert any((seen[top : top + 56, 4:60] == inner).all() for top in range(3, 6))


# The curves


CURSOR = "() => document.querySelector('.genmodels-chart')._fullLayout.shapes.at(-1).x0"


@pytest.fixture
def curves(page, server):
    open_page(page, f"{server}/?show=curves", ".genmodels-chart .cartesianlayer")
    page.wait_for_function(
        f"() => performance.getEntriesByType('resource').filter(r => r.name.includes('/samples/'))"
        f".length === {len(SEEN)}"
    )
    page.wait_for_timeout(500)
    return page


def test_dragging_moves_the_cursor_and_changes_the_picture(curves):
    moment = "canvas => canvas.getContext('2d').getImageData(0, 0, 1, 1).data[0]"
    box = curves.locator(".genmodels-slider").bounding_box()
    before = curves.traffic.total()
    seen = drag(
        curves,
        box,
        lambda: (
            round(curves.evaluate(CURSOR), 4),
            curves.eval_on_selector(".genmodels-sample canvas", moment),
        ),
    )
    assert curves.traffic.total() == before
    assert len({x for x, _ in seen}) == len(SEEN)
    assert len({grey for _, grey in seen}) == len(SEEN)
    curves.locator(".genmodels-slider").press("Home")
    assert curves.get_by_role("img", name="64 samples of A VAE, untrained").is_visible()
    curves.locator(".genmodels-slider").press("ArrowRight")
    curves.locator(".genmodels-slider").press("ArrowRight")
    slider = curves.locator(".genmodels-slider")
    assert slider.get_attribute("aria-valuetext") == "epoch 0.0167, moment 3 of 6"
    assert curves.get_by_text("epoch 0.0167 · 1,000 images seen").is_visible()


def test_a_click_in_the_chart_moves_the_slider(curves):
    layer = curves.locator(".genmodels-chart .nsewdrag").bounding_box()
    curves.mouse.click(layer["x"] + layer["width"] * 0.35, layer["y"] + 40)
    curves.wait_for_timeout(200)
    slider = curves.locator(".genmodels-slider")
    assert slider.get_attribute("aria-valuetext").startswith("epoch 1,")
    assert curves.evaluate(CURSOR) == pytest.approx(1 / 3, abs=0.03)


def test_a_rerun_keeps_the_moment_and_the_chart_asks_no_other_host(curves, server):
    slider = curves.locator(".genmodels-slider")
    slider.press("Home")
    slider.press("ArrowRight")
    curves.get_by_text("Log", exact=True).click()
    curves.wait_for_function(
        "() => document.querySelector('.genmodels-chart')._fullLayout.yaxis.type === 'log'"
    )
    assert slider.get_attribute("aria-valuetext").endswith("moment 2 of 6")
    local = (server, server.replace("http", "ws"), "data:", "blob:")
    assert [url for url in curves.traffic.requests if not url.startswith(local)] == []
    assert sum("plotly.min.js" in url for url in curves.traffic.requests) == 1
    assert not curves.traffic.trouble


def test_without_plotly_a_sentence_stands_there_and_the_pictures_still_move(page, server):
    page.route("**/plotly.min.js*", lambda route: route.abort())
    open_page(page, f"{server}/?show=curves", "text=The chart could not be loaded")
    page.locator(".genmodels-slider").press("Home")
    assert page.get_by_text("untrained").last.is_visible()


def test_missing_pictures_are_said_to_be_missing_and_four_are_asked_for_at_once(page, server):
    waiting, most = [], 0

    def hold(route):
        nonlocal most
        waiting.append(route)
        most = max(most, len(waiting))

    page.route("**/samples/*", hold)
    page.goto(f"{server}/?show=curves")
    page.wait_for_selector(".genmodels-slider")
    page.wait_for_timeout(1500)
    assert most == 4
    assert "/180000.webp" in waiting[0].request.url  # the one under the slider comes first
    while waiting:
        waiting.pop().abort()
        page.wait_for_timeout(100)
    assert page.get_by_text("this picture is missing").is_visible()


# Without a browser


def test_the_components_run_without_a_browser(workplace, monkeypatch):
    monkeypatch.setenv("GENMODELS_RUNS", str(workplace / "runs"))
    for show, words in (("player", None), ("grid", "chosen None"), ("curves", None)):
        app = AppTest.from_file(str(workplace / "script.py"), default_timeout=60)
        app.query_params["show"] = show
        app.run()
        assert not app.exception
        assert words is None or app.text[0].value == words


def test_a_sprite_of_another_size_is_refused():
    from genmodels.ui.widgets.grid import picture_grid

    with pytest.raises(ValueError, match="make a sprite of 56×56, not 28×28"):
        picture_grid(
            sprite=Image.new("L", (28, 28)),
            count=4, height=28, width=28, label="", selected=None, key="",
        )  # fmt: skip


def get(address: str, **headers: str):
    request = urllib.request.Request(address, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        return error


def test_samples_are_served_with_a_tag_and_unknown_ones_are_not_found(server, workplace):
    path = workplace / "runs" / "vae-mnist-1" / "samples" / "000001000.webp"
    address = f"{server}/genmodels/runs/vae-mnist-1/samples/1000.webp"
    answer = get(address)
    assert answer.read() == path.read_bytes()
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert get(address, **{"If-None-Match": answer.headers["ETag"]}).status == 304
    versioned = get(f"{address}?v={path.stat().st_mtime_ns}")
    assert "immutable" in versioned.headers["Cache-Control"]
    assert get(f"{address}?v=1").headers["Cache-Control"] == "no-cache"

    for wrong in ("vae-mnist-1/samples/7.webp", "nobody/samples/0.webp", "..%2Fx/samples/0.webp"):
        assert get(f"{server}/genmodels/runs/{wrong}").status in (400, 404)
    assert (
        b"There is no run 'nobody'" in get(f"{server}/genmodels/runs/nobody/samples/0.webp").read()
    )


def test_modules_are_compressed_and_kept_at_an_address_of_their_version(server):
    place = f"{server}/genmodels/widgets"
    for name, content in widgets.MODULES.items():
        answer = get(f"{place}/{widgets.VERSION}/{name}")
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.read() == content
    address = f"{place}/{widgets.VERSION}/player.js"
    answer = get(address, **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert gzip.decompress(answer.read()) == widgets.MODULES["player.js"]
    for wrong in ("0123456789abcdef/player.js", f"{widgets.VERSION}/player.py"):
        answer = get(f"{place}/{wrong}")
        assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")


def test_a_browser_is_told_of_all_modules_of_a_widget_at_once(page, server):
    """So none is asked for only when another one has come."""
    open_page(page, f"{server}/?show=curves", ".genmodels-chart .cartesianlayer")
    asked = [url.rpartition("/")[2] for url in page.traffic.requests if "/widgets/" in url]
    assert sorted(asked) == sorted(widgets.parts("curves.js"))
    assert len(asked) == len(set(asked)) > 4


def test_plotly_is_compressed_and_kept(server):
    answer = get(f"{server}/genmodels/plotly.min.js", **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert len(answer.read()) < 2_000_000
    assert b"plotly.js" in get(f"{server}/genmodels/plotly.min.js").read(200)


def test_everything_is_found_below_a_base_path(workplace, page):
    with start(workplace, "--server.baseUrlPath=/some/where") as address:
        open_page(page, f"{address}/?show=curves", ".genmodels-chart .cartesianlayer")
        page.wait_for_timeout(500)
        ours = [url for url in page.traffic.requests if "/genmodels/" in url]
        modules = [url for url in ours if f"/genmodels/widgets/{widgets.VERSION}/" in url]
        assert {"curves.js", "widget.js"} <= {url.rpartition("/")[2] for url in modules}
        assert len(ours) == len(modules) + 1 + len(SEEN)
        assert all(url.startswith(f"{address}/genmodels/") for url in ours)
        assert not page.traffic.trouble
