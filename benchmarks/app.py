"""How the app answers one person at a real browser: `python -m benchmarks.app`.

Everything in turn with what Streamlit itself takes, in the same browser:

- from the command that starts the server to the first heading on the screen, and to the end of
  the first page, beside Streamlit's own `hello` app;
- from a click in the navigation to the heading of another page, beside hello's; and to the end of
  the page's script. The first visit to each page after the start is told by itself;
- from a click on the seed of the Sample page to the picture, beside a page that has nothing but
  a seed and a picture of noise.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels import terminal

from . import results, server, visitor
from .visitor import ROUTE, Visitor

if TYPE_CHECKING:
    from playwright.async_api import Browser

DEMOS = ("Plotting demo", "Animation demo", "Hello")
MODELS = ("vae-mnist", "gan-imagenette")
LEAST = """
import numpy as np
import streamlit as st

st.header("Least")
seed = st.number_input("Seed", 0, 1000, 0)
st.image(np.random.default_rng(seed).integers(0, 256, (224, 224), np.uint8))
"""


async def start(browser: "Browser", what: Path | str) -> dict[str, float]:
    """Seconds from the command to what a person sees."""
    with server.serving(what) as app:
        listening = time.perf_counter() - app.started
        person = await Visitor.come(browser, app.address)
        heading = time.perf_counter() - app.started
        await person.wait()
        whole = time.perf_counter() - app.started
        await person.leave()
    return {"listening": listening, "heading": heading, "whole": whole}


async def measure_start(browser: "Browser", rounds: int) -> dict[str, Any]:
    times: dict[str, list[dict[str, float]]] = {"app": [], "hello": []}
    for _ in range(rounds + 1):
        times["hello"].append(await start(browser, server.HELLO))
        times["app"].append(await start(browser, server.APP))
    found: dict[str, Any] = {}
    for until in ("listening", "heading", "whole"):
        # The first start of each reads files that no other has to.
        ours, theirs = ([each[until] for each in times[name][1:]] for name in ("app", "hello"))
        found[until] = {
            "app": results.spread(ours),
            "hello": results.spread(theirs),
            "ratio": results.ratios(ours, theirs),
        }
    return found


async def measure_changes(browser: "Browser", address: str, rounds: int) -> dict[str, Any]:
    """Page changes, all pages in each round, and some of hello's."""
    person = await Visitor.come(browser, address)
    await person.wait()
    route = [*ROUTE[1:], ROUTE[0]]
    first = [await person.turn_to(*stop) for stop in route]
    headings, ends, demos = [], [], []
    with server.serving(server.HELLO) as hello:
        other = await Visitor.come(browser, hello.address)
        await other.wait()
        for _ in range(rounds):
            for stop in route:
                heading, end = await person.turn_to(*stop)
                headings.append(heading)
                ends.append(end)
                await asyncio.sleep(0.2)  # The last of the page's own requests.
            demos += [await other.turn_to_demo(title) for title in DEMOS]
        await other.leave()
    await person.leave()
    return {
        "first": results.latencies([end for _, end in first]),
        "heading": results.latencies(headings),
        "whole": results.latencies(ends),
        "hello": results.latencies(demos),
        "faults": person.faults,
    }


async def measure_seeds(browser: "Browser", address: str, rounds: int) -> dict[str, Any]:
    """Changes of the seed of several models, and of the least page there can be."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "least.py"
        script.write_text(LEAST, "utf-8")
        with server.serving(script) as least:
            places = {name: f"{address}/sample?model={name}" for name in MODELS}
            places["least"] = least.address
            people = {name: await Visitor.come(browser, at) for name, at in places.items()}
            for person in people.values():
                await person.wait()
                await asyncio.sleep(1)
                await person.change_seed()
            times: dict[str, list[float]] = {name: [] for name in places}
            for _ in range(rounds):
                for name, person in people.items():
                    times[name].append(await person.change_seed())
                    await asyncio.sleep(0.1)
            faults = [fault for person in people.values() for fault in person.faults]
            for person in people.values():
                await person.leave()
    found: dict[str, Any] = {name: results.latencies(times[name]) for name in places}
    ratios = {name: results.ratios(times[name], times["least"]) for name in MODELS}
    for ratio in ratios.values():
        del ratio["values"]
    return found | {"ratios": ratios, "faults": faults}


async def measure(rounds: int, changes: int, seeds: int) -> dict[str, Any]:
    async with visitor.chromium() as browser:
        found = {"chromium": browser.version, "start": await measure_start(browser, rounds)}
        with server.serving(server.APP) as app:
            found["change"] = await measure_changes(browser, app.address, changes)
            found["seed"] = await measure_seeds(browser, app.address, seeds)
            found["faults"] = [*found["change"].pop("faults"), *found["seed"].pop("faults")]
            found["faults"] += app.faults()
    return found


def tell(found: dict[str, Any]) -> None:
    for until, times in found["start"].items():
        print(
            f"start to {until}: {results.text(times['app'])} s, hello "
            f"{results.text(times['hello'])} s, ratio {results.text(times['ratio'])}"
        )
    for name, what in (
        ("first", "first visits to a page, whole"),
        ("heading", "page change, to the heading"),
        ("whole", "page change, whole"),
        ("hello", "hello's page change, to the heading"),
    ):
        print(f"{what}: {results.waits(found['change'][name])}")
    for name in MODELS:
        print(
            f"seed to picture, {name}: {results.waits(found['seed'][name])}; "
            f"{results.text(found['seed']['ratios'][name])} times the least page"
        )
    print(f"the least page: {results.waits(found['seed']['least'])}; faults: {found['faults']}")


def main(arguments: list[str]) -> int:
    parser = results.options("app", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each app")
    parser.add_argument("--changes", type=int, default=4, help="changes to each page")
    parser.add_argument("--seeds", type=int, default=20, help="changes of each seed")
    options = parser.parse_args(arguments)
    if options.short:
        options.rounds, options.changes, options.seeds = 1, 1, 2
    if sentence := visitor.missing():
        print(f"Skipped. {sentence}")
        return 0
    machine = results.machine()
    found = asyncio.run(measure(options.rounds, options.changes, options.seeds))
    tell(found)
    results.keep("app", options, {"machine": machine, **found})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
