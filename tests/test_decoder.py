"""Decoders that run in the browser: the ONNX files, their routes, and a real browser."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import serving
from streamlit.testing.v1 import AppTest

from genmodels import folders, latent, onnx_export, pictures, posteriors, runs, weights
from genmodels.errors import RunError
from genmodels.onnx_export import decoder_file
from genmodels.runs import Run
from genmodels.ui import navigation, routes, runtime, shell, widgets

SHIPPED = [run for run in runs.list_runs() if isinstance(run, Run)]
SHIPPED = [run for run in SHIPPED if run.path.parent == folders.CHECKPOINTS]
SHIPPED = [run for run in SHIPPED if hasattr(run.recipe, "latent_dim")]


# The files


@torch.no_grad()
def run_onnx(run: Run, count: int) -> tuple[np.ndarray, np.ndarray]:
    """What ONNX's own slow interpreter makes of the file, and the model itself."""
    from onnx.reference import ReferenceEvaluator

    model = weights.load_run(run)
    latents = model.sample_latents(count, seed=1)
    session = ReferenceEvaluator(str(decoder_file(run)))
    (images,) = session.run(None, {"latents": latents.numpy()})  # type: ignore[misc]
    return np.asarray(images), model.decode(latents).numpy()


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("vae-mnist", {}),
        ("gan-mnist", {"latent_dim": 7, "generator_norm": "batch"}),
        ("gan-imagenette", {"latent_dim": 8, "feature_maps": 2}),
    ],
)
def test_the_file_decodes_as_the_model_does(cache_folder, make_run, recipe, changes):
    run = make_run("first", recipe, **changes)
    for count in (1, 3):
        images, expected = run_onnx(run, count)
        assert images.dtype == np.float32
        np.testing.assert_allclose(images, expected, atol=1e-5)


def test_half_precision_weights_make_half_a_file_and_others_keep_theirs(cache_folder, make_run):
    import onnx

    shipped, own = runs.find("vae-mnist"), make_run("first", "vae-mnist")
    small, large = decoder_file(shipped).stat().st_size, decoder_file(own).stat().st_size
    numbers = shipped.parameters["decoder"]
    assert 2 * numbers < small < 2.05 * numbers
    assert 4 * numbers < large < 4.05 * numbers
    images, expected = run_onnx(shipped, 2)
    np.testing.assert_allclose(images, expected, atol=1e-5)
    onnx.checker.check_model(str(decoder_file(shipped)), full_check=True)


def test_the_file_does_not_say_where_it_was_made(cache_folder, make_run):
    content = decoder_file(make_run("first", "gan-mnist", latent_dim=2)).read_bytes()
    assert b".py" not in content
    assert str(folders.REPOSITORY).encode() not in content


def test_a_file_is_made_once_and_anew_for_other_weights(cache_folder, make_run, monkeypatch):
    made = count_exports(monkeypatch)
    run = make_run("first", "gan-mnist")
    first = decoder_file(run)
    assert decoder_file(run) == first
    assert len(made) == 1
    networks = weights.load_run(run).networks
    changed = {name: network.state_dict() for name, network in networks.items()}
    changed["generator"]["0.bias"] += 1
    weights.save_networks(run.path, changed, 1)
    assert decoder_file(run) != first
    assert len(made) == 2


def test_two_at_once_make_one(cache_folder, make_run, monkeypatch):
    made = count_exports(monkeypatch)
    run = make_run("first", "gan-mnist")
    threads = [threading.Thread(target=decoder_file, args=(run,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert decoder_file(run).exists()


def test_an_epoch_that_ends_meanwhile_gives_its_own_file(cache_folder, make_run, monkeypatch):
    run = make_run("first", "gan-mnist")
    load, before = weights.load_run, weights.fingerprint(run)

    def load_late(run: Run):
        model = load(run)
        model.generator.state_dict()["0.bias"] += 1
        networks = {name: network.state_dict() for name, network in model.networks.items()}
        weights.save_networks(run.path, networks, 1)
        monkeypatch.setattr(weights, "load_run", load)
        return model

    monkeypatch.setattr(weights, "load_run", load_late)
    path = decoder_file(run)
    assert not path.name.startswith(before)
    assert path.name.startswith(weights.fingerprint(run))


def test_runs_without_a_decoder_or_weights_are_refused(cache_folder, make_run):
    with pytest.raises(RunError, match="choose a VAE or a GAN"):
        decoder_file(runs.find("classifier-mnist"))
    run = make_run("first", "gan-mnist")
    (run.path / "generator.safetensors").unlink()
    with pytest.raises(RunError, match="wait for its first epoch"):
        decoder_file(run)


def count_exports(monkeypatch) -> list[int]:
    made, export = [], onnx_export._export

    def counted(model):
        made.append(1)
        return export(model)

    monkeypatch.setattr(onnx_export, "_export", counted)
    return made


# The routes

needs_runtime = pytest.mark.skipif(
    not runtime.available(), reason="needs onnxruntime-web: npm ci --ignore-scripts"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("decoder")
    script = folder / "script.py"
    script.write_text(
        "import streamlit as st\n"
        "from genmodels.ui import routes\n"
        "app = st.App(__file__, routes=routes.ROUTES)\n"
    )
    damaged = folder / "runs" / "damaged"
    damaged.mkdir(parents=True)
    shipped = folders.CHECKPOINTS / "gan-mnist"
    for name in ("recipe.json", "discriminator.safetensors"):
        (damaged / name).write_bytes((shipped / name).read_bytes())
    (damaged / "generator.safetensors").write_bytes(b"nothing")
    places = {"runs": str(folder / "runs"), "cache": str(folder / "cache")}
    with serving(folder, script, places, "--browser.gatherUsageStats=false") as address:
        yield address


def get(address: str, **headers: str):
    request = urllib.request.Request(address, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=120)
    except urllib.error.HTTPError as error:
        return error


def test_a_decoder_is_served_as_it_is_with_a_tag(server, cache_folder):
    run = runs.find("gan-mnist")
    address, version = f"{server}/genmodels/runs/gan-mnist/decoder.onnx", weights.fingerprint(run)
    answer = get(address, **{"Accept-Encoding": "gzip"})
    content = answer.read()
    assert content == decoder_file(run).read_bytes()
    assert answer.headers["X-Full-Length"] == answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Encoding"] == "identity"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert get(address, **{"If-None-Match": answer.headers["ETag"]}).status == 304
    assert "immutable" in get(f"{address}?v={version}").headers["Cache-Control"]
    assert get(f"{address}?v=1").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("run_id", "words"),
    [
        ("nobody", "There is no run 'nobody'"),
        ("..", ""),
        ("%2e%2e%2fcheckpoints%2fgan-mnist", ""),
        ("%00", ""),
        ("Gan%20mnist", "There is no run"),
        ("classifier-mnist", "choose a VAE or a GAN"),
        ("damaged", "generator.safetensors is no whole safetensors file"),
    ],
)
def test_other_ids_are_answered_with_a_sentence(server, run_id, words):
    answer = get(f"{server}/genmodels/runs/{run_id}/decoder.onnx")
    assert answer.status in (400, 404)
    assert words in answer.read().decode()
    assert "immutable" not in answer.headers.get("Cache-Control", "")


@needs_runtime
def test_the_runtime_is_compressed_kept_and_nothing_else(server):
    folder = f"{server}/genmodels/onnxruntime/{runtime.version()}"
    for name, (file, kind) in runtime.FILES.items():
        whole = (runtime.FOLDER / file).stat().st_size
        answer = get(f"{folder}/{name}", **{"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Content-Type"].split(";")[0] == kind
        assert answer.headers["X-Full-Length"] == str(whole)
        assert "immutable" in answer.headers["Cache-Control"]
        assert len(answer.read()) < 0.5 * whole
        assert len(get(f"{folder}/{name}").read()) == whole
    for wrong in (f"{folder}/ort.js", f"{folder}/..%2fpackage.json", f"{folder}9/{name}"):
        assert get(wrong).status in (400, 404)


@needs_runtime
def test_addresses_hold_from_every_page_and_below_every_path(server):
    run = runs.find("gan-mnist")
    decoder = routes.decoder(run)
    assert decoder
    runtime_file = decoder["runtime"] + "ort.wasm.min.js"
    addresses = [decoder["model"], runtime_file, *routes.sample_urls(run).values()]
    for page in ("/", "/sample", "/sample/", "/some/where/sample"):
        for address in (*addresses, routes.plotly_url()):
            answer = get(urllib.parse.urljoin(server + page, address))
            assert "immutable" in answer.headers["Cache-Control"]


def test_the_image_and_the_lock_hold_the_runtime_at_its_version_and_no_registry():
    dockerfile = (folders.REPOSITORY / "Dockerfile").read_text()
    for name in ("package.json", *(f"dist/{name}" for name, _ in runtime.FILES.values())):
        assert f"node_modules/onnxruntime-web/{name} " in dockerfile
    wanted = json.loads((folders.REPOSITORY / "package.json").read_text())["dependencies"]
    packages = json.loads((folders.REPOSITORY / "package-lock.json").read_text())["packages"]
    locked = packages["node_modules/onnxruntime-web"]
    assert wanted == {"onnxruntime-web": locked["version"]}
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert "integrity" in locked


def test_without_npm_or_latents_there_is_no_decoder_for_browsers(monkeypatch, tmp_path):
    assert routes.decoder(runs.find("classifier-mnist")) is None
    monkeypatch.setattr(runtime, "PACKAGE", tmp_path)
    assert not runtime.available()
    (tmp_path / "package.json").write_text('{"version"')  # npm was stopped.
    assert not runtime.available()
    assert routes.decoder(runs.find("gan-mnist")) is None


# The browser

Open = Callable[..., None]


@pytest.fixture
def open_decoder(page, server) -> Open:
    """Loads decoder.js as the widgets do, and opens a run's decoder as `window.decoder`."""

    def open_run(run_id: str, until: str = "ready") -> None:
        page.goto(f"{server}/_stcore/health")
        page.evaluate(
            """async ([address, options]) => {
                ({ openDecoder: window.openDecoder } = await import(address));
                window.options = options;
                window.decoder = openDecoder(options);
                window.heard = [];
                decoder.onChange(() => heard.push([decoder.loaded, decoder.total, decoder.state]));
            }""",
            [
                f"{server}/genmodels/widgets/{widgets.VERSION}/decoder.js",
                routes.decoder(runs.find(run_id)),
            ],
        )
        page.wait_for_function("() => decoder.state !== 'loading'")
        assert page.evaluate("decoder.state") == until, page.evaluate("decoder.failure")

    return open_run


@needs_runtime
@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.id)
@torch.no_grad()
def test_the_browser_draws_what_torch_draws(page, open_decoder, run):
    model = weights.load_run(run)
    latents = model.sample_latents(8, seed=3)
    expected = pictures.from_floats(model.decode(latents).numpy()).astype(int)
    open_decoder(run.id)
    shown = page.evaluate(
        """async latents => {
            const frames = await decoder.decode(new Float32Array(latents), "all");
            return frames.map(({ data, width, height }) => [width, height, Array.from(data)]);
        }""",
        latents.flatten().tolist(),
    )
    height, width = expected.shape[1:3]
    assert [frame[:2] for frame in shown] == [[width, height]] * 8
    pixels = np.array([frame[2] for frame in shown]).reshape(8, height, width, 4)
    assert abs(pixels[..., :3] - expected).max() <= 2
    assert abs(pixels[..., :3] - expected).mean() < 0.1
    assert (pixels[..., 3] == 255).all()
    assert not page.traffic.trouble


@needs_runtime
def test_it_says_how_much_is_loaded(page, open_decoder):
    open_decoder("gan-mnist")
    heard = page.evaluate("heard")
    loaded = [bytes_loaded for bytes_loaded, _, _ in heard]
    assert loaded == sorted(loaded)
    assert heard[-1][0] == heard[-1][1] > (runtime.FOLDER / [*runtime.FILES][2]).stat().st_size
    assert [state for _, _, state in heard].count("ready") == 1


@needs_runtime
def test_overtaken_requests_come_to_nothing_and_other_channels_are_served(page, open_decoder):
    open_decoder("gan-mnist")
    drawn = page.evaluate(
        """async () => {
            const other = openDecoder(options);
            const latents = value => new Float32Array(options.latentDim).fill(value);
            const asked = [0, 1, 2, 3].map(value => decoder.decode(latents(value), "drag"));
            asked.push(decoder.decode(latents(4), "map"), other.decode(latents(5), "drag"));
            const drawn = await Promise.all(asked);
            other.close();
            return drawn.map(frames => frames && Array.from(frames[0].data));
        }"""
    )
    assert [frames is None for frames in drawn] == [False, True, True, False, False, False]
    whole = [tuple(frames) for frames in drawn if frames]
    assert len(set(whole)) == len(whole)
    assert sum("decoder.onnx" in url for url in page.traffic.requests) == 1


@needs_runtime
def test_requests_wait_while_it_loads_and_the_worker_ends_with_the_last_handle(page, open_decoder):
    open_decoder("gan-mnist")
    assert len(page.workers) == 1
    early, closed = page.evaluate(
        """async () => {
            decoder.close();
            const again = openDecoder(options);
            const early = again.decode(new Float32Array(2 * options.latentDim), "drag");
            const count = (await early).length;
            const late = again.decode(new Float32Array(options.latentDim), "drag");
            const later = again.decode(new Float32Array(options.latentDim), "map");
            again.close();
            await late;
            return [count, await later];
        }"""
    )
    assert (early, closed) == (2, None)
    wait_for_no_worker(page)
    assert not page.traffic.trouble


def wait_for_no_worker(page) -> None:
    """Playwright hears of the end a little later."""
    for _ in range(100):
        if page.workers:
            page.wait_for_timeout(100)
    assert not page.workers


# What can go wrong there


@needs_runtime
@pytest.mark.parametrize("part", ["decoder.onnx", "ort-wasm-simd-threaded.wasm"])
def test_a_file_that_is_cut_off_is_noticed(page, open_decoder, part):
    def cut(route):
        answer = route.fetch()
        headers = {"X-Full-Length": answer.headers["x-full-length"]}
        route.fulfill(status=200, headers=headers, body=answer.body()[:100_000])

    page.route(f"**/{part}*", cut)
    open_decoder("gan-mnist", until="failed")
    assert page.evaluate("decoder.failure") == "The decoder was cut off while it loaded."
    assert page.evaluate("decoder.decode(new Float32Array(options.latentDim), 'drag')") is None
    wait_for_no_worker(page)
    assert not page.traffic.trouble


@needs_runtime
def test_a_browser_without_webassembly_is_told(page, open_decoder):
    page.add_init_script("delete window.WebAssembly")
    open_decoder("gan-mnist", until="failed")
    assert page.evaluate("decoder.failure") == "This browser has no WebAssembly."
    asked = [url for url in page.traffic.requests if "/genmodels/" in url]
    assert [url for url in asked if "/genmodels/widgets/" not in url] == []


BROKEN = """
setTimeout(() => { throw new Error("gone"); });
export const env = { wasm: {} };
export const InferenceSession = { create: () => new Promise(() => {}) };
"""


@needs_runtime
@pytest.mark.parametrize(
    ("part", "answer", "words"),
    [
        ("decoder.onnx", {"status": 503},
         "The decoder could not be loaded: the server answered 503."),
        ("decoder.onnx", None, "The decoder could not be loaded from the server."),
        ("decoder.onnx", {"body": "no model"}, "The decoder does not run in this browser."),
        ("ort.wasm.min.js", {"body": BROKEN, "content_type": "text/javascript"},
         "The decoder stopped in this browser."),
    ],
)  # fmt: skip
def test_failures_are_told_in_a_sentence(page, open_decoder, part, answer, words):
    page.route(f"**/{part}*", lambda route: route.fulfill(**answer) if answer else route.abort())
    open_decoder("gan-mnist", until="failed")
    assert page.evaluate("decoder.failure") == words
    assert page.evaluate("heard.at(-1)[2]") == "failed"
    assert not [line for line in page.traffic.trouble if "Failed to load resource" not in line]


# On the pages


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pages")
    places = {name: str(folder / name) for name in ("runs", "cache", "data")}
    with serving(folder, folders.REPOSITORY / "app.py", places) as address:
        yield address


def drawn(page, selector: str, size: int) -> np.ndarray:
    """The pixels of a canvas, [size, size, 4]."""
    values = page.eval_on_selector(
        selector,
        "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, "
        "canvas.height).data)",
    )
    return np.array(values).reshape(size, size, 4)


def decoded(run_id: str, chosen: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        image = weights.load_run(runs.find(run_id)).decode(chosen[None])
    return pictures.from_floats(image.numpy())[0].astype(int)


@needs_runtime
@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_the_slider_decodes_the_very_place_under_the_handle(page, app, path):
    shown = {"linear": "Straight line", "spherical": "Great circle"}[path]
    page.goto(f"{app}/interpolate?model=gan-mnist&path={shown.replace(' ', '+')}")
    slider = page.locator(".genmodels-slider[max='600']")  # Finer, once the decoder is there.
    slider.wait_for()
    page.wait_for_function("() => document.readyState === 'complete'")
    before = page.traffic.total()
    slider.fill("333")
    page.wait_for_selector(".genmodels-frame[data-place='0.555']")
    assert page.traffic.total() == before
    model = weights.load_run(runs.find("gan-mnist"))
    start, end = (model.sample_latents(1, seed)[0] for seed in (2, 8))
    expected = decoded("gan-mnist", latent.between(start, end, 601, path)[333])
    assert abs(drawn(page, ".genmodels-frame", 28)[..., :1] - expected).max() <= 2
    slider.focus()
    page.keyboard.press("ArrowRight")  # By frames.
    page.wait_for_selector(".genmodels-frame[data-place='0.5716666666666667']")
    assert page.traffic.trouble == []


def place_shown(page) -> tuple[float, float]:
    """The place on the map that was decoded last, once it is the one under the pointer."""
    where = page.inner_text(".genmodels-where").replace("−", "-")  # "x 0.52 · y −1.00"
    meant = [float(part.split()[1]) for part in where.split("·")]
    for _ in range(100):
        shown = page.get_attribute(".genmodels-large", "data-place") or "inf,inf"
        x, y = map(float, shown.split(","))
        if max(abs(x - meant[0]), abs(y - meant[1])) < 0.01:
            return x, y
        page.wait_for_timeout(50)
    raise AssertionError(f"{shown} is shown, and the pointer is at {where}")


@needs_runtime
def test_the_map_decodes_the_very_place_and_sliders_lead_beyond_the_plane(page, app):
    page.goto(f"{app}/map?model=vae-mnist")
    page.wait_for_selector(".genmodels-beyond label >> nth=3")
    page.get_by_role(
        "button", name="Points", exact=True
    ).click()  # Only places are under the pointer then.
    before, large = page.traffic.total(), ".genmodels-large"
    box = page.locator(".genmodels-plane").bounding_box()
    page.mouse.move(box["x"] + 31, box["y"] + 77)
    x, y = place_shown(page)
    run = runs.find("vae-mnist")
    stored = posteriors.stored(run)
    assert stored
    plane = latent.principal_plane(stored.means)
    here = plane.latents(torch.tensor([[x, y]]))[0]
    assert abs(drawn(page, large, 28)[..., :1] - decoded(run.id, here)).max() <= 2

    slider = page.locator(".genmodels-beyond .genmodels-slider").first
    slider.fill("40")
    page.locator(".genmodels-plane").scroll_into_view_if_needed()
    box = page.locator(".genmodels-plane").bounding_box()
    page.mouse.move(box["x"] + 31, box["y"] + 78)
    x, y = place_shown(page)
    components, deviations = latent.principal_components(stored.means)
    moved = plane.latents(torch.tensor([[x, y]]))[0] + 3 * deviations[2] * components[2]
    assert abs(drawn(page, large, 28)[..., :1] - decoded(run.id, moved)).max() <= 2
    assert page.traffic.total() == before
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("text=, beyond the plane")
    page.wait_for_url(lambda url: "%3B1%2C0%2C0%2C0" in url)
    assert page.traffic.trouble == []


@needs_runtime
def test_a_browser_that_cannot_decode_shows_ready_made_pictures(page, app):
    page.route("**/decoder.onnx*", lambda route: route.fulfill(status=200, body="nonsense"))
    page.goto(f"{app}/interpolate?model=gan-mnist")
    page.wait_for_selector("text=You see ready-made pictures instead.")
    slider = page.locator(".genmodels-slider[max='60']")
    before = drawn(page, ".genmodels-frame", 28)
    slider.fill("60")
    page.wait_for_selector(".genmodels-frame[data-place='1']")
    assert abs(drawn(page, ".genmodels-frame", 28) - before).max() > 50


def test_a_page_says_so_where_the_server_decodes(monkeypatch, tmp_path, runs_folder):
    monkeypatch.setattr(runtime, "PACKAGE", tmp_path)
    shown = AppTest.from_file(str(Path(navigation.__file__)), default_timeout=60).run()
    shown.switch_page(str(shell.page("interpolate"))).run()
    assert not shown.exception
    assert any("The server decodes" in caption.value for caption in shown.caption)
