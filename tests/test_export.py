"""Pages without a server behind them, in a real browser before a plain file server."""

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import drag, pixels

from genmodels import paths, runs
from genmodels.data import formats
from genmodels.models import weights
from genmodels.runs import Run
from genmodels.ui import runtime, site

SHIPPED = [run for run in runs.list_runs() if isinstance(run, Run)]
SHIPPED = [run for run in SHIPPED if run.shipped and hasattr(run.recipe, "latent_dim")]
TITLE = "<script>document.body.remove()</script><img src=x onerror=alert(1)> $title & \"'"
MAP, WALK = "#map .genmodels-large", "#player .genmodels-frame"
MOST = 20e6

needs_runtime = pytest.mark.skipif(
    not runtime.available(), reason="needs onnxruntime-web: npm ci --ignore-scripts"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Every shipped model, and a copy of one whose title means harm; two folders deep."""
    folder = tmp_path_factory.mktemp("export")
    mine = folder / "runs" / "mine"
    shutil.copytree(paths.CHECKPOINTS / "gan-mnist", mine)
    runs.change_info(mine, title=TITLE)
    out = folder / "served" / "some where" / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_CACHE", str(folder / "cache"))
        assert site.main([*(run.id for run in SHIPPED), str(mine), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def address(written) -> Iterator[str]:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        command,
        cwd=written.parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        said = re.search(r"port (\d+)", process.stdout.readline())
        assert said
        yield f"http://127.0.0.1:{said[1]}/some%20where/site/"
    finally:
        process.terminate()
        process.wait(20)


def open_run(page, address: str, run_id: str) -> None:
    """A run's page, when its browser decodes and its curves are drawn."""
    page.goto(f"{address}?run={run_id}")
    page.wait_for_selector(f"{MAP}[data-place]")
    page.wait_for_selector("#curves .main-svg")


def drawn(page, selector: str) -> np.ndarray:
    """The pixels of a canvas, uint8 [height, width, 3]."""
    height, width, values = page.eval_on_selector(
        selector,
        """canvas => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [height, width, Array.from(data)];
        }""",
    )
    return np.array(values).reshape(height, width, 4)[..., :3]


@torch.no_grad()
def assert_decoded(page, selector: str, run_id: str, latent: torch.Tensor) -> None:
    images = weights.load(run_id).decode(latent[None])
    expected = formats.from_floats(images.numpy())[0].astype(int)
    assert abs(drawn(page, selector) - expected).max() <= 2


def assert_quiet(page, address: str) -> None:
    assert not page.traffic.trouble
    local = ("blob:", "data:", address)
    assert not [url for url in page.traffic.requests if not url.startswith(local)]


# The browser


@needs_runtime
def test_map_walk_and_curves(page, address):
    open_run(page, address, "vae-mnist-2d")
    page.get_by_role("button", name="Points").click()
    assert page.get_by_role("button", name="Keep as A").first.is_disabled()

    box = page.locator(".genmodels-plane").bounding_box()
    before = page.get_attribute(MAP, "data-place")
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_function(
        "([at, before]) => document.querySelector(at).dataset.place !== before", arg=[MAP, before]
    )
    place = [float(number) for number in page.get_attribute(MAP, "data-place").split(",")]
    assert_decoded(page, MAP, "vae-mnist-2d", torch.tensor(place))

    page.mouse.down()
    page.mouse.up()
    page.get_by_role("button", name="Keep as A").first.click()
    assert "Kept the place" in page.text_content("#map-keep")
    assert page.text_content("#player").startswith("From A, the place")
    wait_for_walk(page, "0", "vae-mnist-2d", torch.tensor(place))

    assert len(drag_walk(page)) > 5

    moment = page.locator("#curves .genmodels-slider")
    samples = "#curves canvas"
    last = pixels(page, samples)
    moment.press("Home")
    page.wait_for_function(
        "([at, last]) => document.querySelector(at).toDataURL() !== last", arg=[samples, last]
    )
    assert page.get_attribute(samples, "data-images-seen") == "0"
    page.get_by_label("Quantity").select_option("kl")
    page.wait_for_selector("#curves .genmodels-chart[aria-label^='KL divergence']")
    assert_quiet(page, address)


def wait_for_walk(page, part: str, run_id: str, latent: torch.Tensor) -> None:
    """Until the walk's picture at this part is that of the latent: it may be under way."""
    page.wait_for_selector(f"{WALK}[data-place='{part}']")
    for _ in range(50):
        try:
            return assert_decoded(page, WALK, run_id, latent)
        except AssertionError:
            page.wait_for_timeout(100)
    assert_decoded(page, WALK, run_id, latent)


def drag_walk(page) -> set:
    slider = page.locator("#player .genmodels-slider")
    slider.scroll_into_view_if_needed()
    return drag(page, slider.bounding_box(), lambda: pixels(page, WALK), 10)


@needs_runtime
def test_a_sample_becomes_an_end_of_the_walk_by_keyboard(page, address):
    page.goto(address)
    page.get_by_role("link", name=runs.find("gan-mnist").title, exact=True).click()
    page.wait_for_selector(f"{MAP}[data-place]")
    assert page.get_by_role("heading", level=1).text_content() == runs.find("gan-mnist").title
    tile = page.get_by_role("option", name="picture 3 of 64")
    page.get_by_role("option", name="picture 1 of 64").press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tile.press("Enter")
    page.locator("#grid-keep").get_by_role("button", name="Keep as B").press("Enter")
    assert page.text_content("#grid-keep").endswith("Kept picture 3 as B.")
    page.locator("#player .genmodels-slider").press("End")
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    latents = weights.load("gan-mnist").sample_latents(64, 0)
    wait_for_walk(page, "1", "gan-mnist", latents[2])
    assert_quiet(page, address)


@needs_runtime
def test_a_title_is_text(page, address, written):
    open_run(page, address, "mine")
    assert page.get_by_role("heading", level=1).text_content() == page.title() == TITLE
    assert page.get_by_role("link", name=TITLE).get_attribute("aria-current") == "page"
    assert "<script>document" not in (written / "index.html").read_text()
    assert_quiet(page, address)


@needs_runtime
def test_without_the_decoder_the_stored_pictures_serve(page, address):
    page.route("**/*.wasm.gz", lambda route: route.abort())
    page.goto(f"{address}?run=vae-mnist")
    told = page.locator("#map .genmodels-trouble")
    told.filter(has_text="could not be loaded").wait_for()
    page.wait_for_selector(f"{WALK}[data-place='0']")
    page.locator("[role=option]").first.click()
    assert page.locator("#grid-keep button").first.is_disabled()
    assert len(drag_walk(page)) > 5


@needs_runtime
def test_a_server_that_unpacks_on_the_way_is_no_trouble(page, address, written):
    graph = gzip.decompress((written / "runs" / "gan-mnist" / "decoder.onnx.gz").read_bytes())
    page.route("**/decoder.onnx.gz*", lambda route: route.fulfill(body=graph))
    page.route("**/plotly.min.js.gz", lambda route: route.fulfill(path=site.routes.PLOTLY))
    open_run(page, address, "gan-mnist")


# The files


@needs_runtime
@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.id)
def test_the_bundle_of_one_model_is_small(written, run):
    def size(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    shared = size(written) - size(written / "runs")
    assert size(written / "runs" / run.id) + shared < MOST


@needs_runtime
def test_all_that_is_named_is_there(written):
    """And nothing of it names another place."""
    for run in SHIPPED:
        text = (written / "runs" / run.id / "run.json").read_text()
        named = re.findall(r'"((?:runs|onnxruntime)/[^"?]*|plotly\.[^"]*)', text)
        assert len(set(named)) > len(run.samples())
        assert not [name for name in named if not (written / name).exists()]
        assert "data:" not in text and "http" not in text
        assert json.loads(text)["title"] == run.title
    assert "://" not in (written / "index.html").read_text()


# What can go wrong


def refusal(capsys, *arguments: str) -> str:
    assert site.main(arguments) == 2
    said = capsys.readouterr().err
    (sentence,) = [line for line in said.splitlines() if line.startswith("genmodels export: ")]
    return sentence


@needs_runtime
def test_a_folder_with_something_in_it_is_refused(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert "not empty" in refusal(capsys, "gan-mnist", "--out", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@needs_runtime
def test_what_cannot_be_written_leaves_nothing(tmp_path, capsys, cache_folder, make_run):
    out = str(tmp_path / "out" / "site")
    assert "no run 'nowhere'" in refusal(capsys, "nowhere", "--out", out)
    assert "more than once" in refusal(capsys, "gan-mnist", "gan-mnist", "--out", out)
    assert "choose a VAE or a GAN" in refusal(capsys, "classifier-mnist", "--out", out)
    run = make_run("first", "gan-mnist")
    (run.path / "generator.safetensors").unlink()
    assert "wait for its first epoch" in refusal(capsys, "first", "--out", out)
    odd = run.path.rename(run.path.with_name("my run?"))
    assert "rename the folder" in refusal(capsys, str(odd), "--out", out)
    assert not list((tmp_path / "out").glob("*")) and not list((tmp_path / "out").glob(".*"))


def test_without_npm_it_says_what_to_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runtime, "PACKAGE", tmp_path)
    out = tmp_path / "site"
    assert "npm ci" in refusal(capsys, "gan-mnist", "--out", str(out))
    assert not out.exists()
