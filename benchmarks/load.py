"""How the app bears a class: `python -m benchmarks.load`.

One person at a real browser turns pages and changes seeds, first alone, then among thirty. The
other twenty-nine are sessions of Streamlit's own protocol (see `benchmarks.server`): thirty
browsers would measure themselves on a small machine. Each of them waits a few seconds as people do,
opens a page or a new seed, and so on. Told are the waits of the person and of the sessions, the
memory of all the server's processes, and whatever went wrong; `--seconds 600` for ten minutes.

Then hundreds of sessions are opened and closed, and the server's memory is read between them.
Streamlit keeps the last 128 for a while in case they come back, so growth counts from where so
many have been.
"""

import asyncio
import random
import sys
import time
from typing import TYPE_CHECKING, Any

from genmodels import terminal

from . import results, server, visitor
from .server import Server, Session
from .visitor import ROUTE, Visitor

if TYPE_CHECKING:
    from playwright.async_api import Browser

PAGES = ("", "sample", "interpolate", "map", "dimensions", "curves", "evaluate", "vae", "train")
MODELS = ("vae-mnist", "gan-mnist", "vae-imagenette", "gan-imagenette")
PAUSE = 4.0
"""Seconds between two things that a person does, in the mean."""
KEPT = 128
"""Sessions that Streamlit keeps after their end."""
AT_ONCE = 10
"""Sessions that come and go together."""


async def be_active(person: Session, rng: random.Random, until: float) -> list[float]:
    """Opens pages and draws samples as a person does; the seconds each took."""
    times, page, model, seed_input = [], "", "", ""
    while time.perf_counter() < until:
        await asyncio.sleep(rng.expovariate(1 / PAUSE))
        if page == "sample" and rng.random() < 0.7:
            number = {seed_input: float(rng.randrange(1000))}
            seconds, _ = await person.open(page, f"model={model}", numbers=number)
        else:
            page, model = rng.choice(PAGES), rng.choice(MODELS)
            seconds, drawn = await person.open(page, f"model={model}")
            if page == "sample":
                inputs = (e.number_input for e in drawn if e.WhichOneof("type") == "number_input")
                seed_input = next(each.id for each in inputs if each.label == "Seed")
        times.append(seconds)
    return times


async def browse(person: Visitor, until: float) -> dict[str, list[float]]:
    """The person at the browser: another page, then the Sample page and three new seeds."""
    changes, seeds, turn = [], [], 1  # 0 is where everybody begins.
    sample = next(stop for stop in ROUTE if stop[1] == "Sample")
    others = [stop for stop in ROUTE if stop != sample]
    while time.perf_counter() < until or not seeds:
        for stop in (others[turn % len(others)], sample):
            changes.append((await person.turn_to(*stop))[1])
            await asyncio.sleep(1)
        for _ in range(3):
            seeds.append(await person.change_seed())
            await asyncio.sleep(0.5)
        turn += 1
    return {"changes": changes, "seeds": seeds}


async def active(browser: "Browser", app: Server, count: int, seconds: float) -> dict[str, Any]:
    """`count` people at once, one of them at the browser."""
    others = await server.join(app.address, count - 1)
    visiting = await Visitor.come(browser, app.address)
    await visiting.wait()
    until = time.perf_counter() + seconds
    tasks = [be_active(each, random.Random(number), until) for number, each in enumerate(others)]
    browsing = asyncio.create_task(browse(visiting, until))
    times = await asyncio.gather(*tasks)
    seen = await browsing
    memory = app.memory()
    faults = [*visiting.faults, *(fault for each in others for fault in each.faults)]
    await visiting.leave()
    for each in others:
        await each.socket.close()
    every = [value for part in times for value in part]
    return {
        "people": count,
        "changes": results.latencies(seen["changes"]),
        "seeds": results.latencies(seen["seeds"]),
        "others": results.latencies(every) if every else None,
        "memory": round(memory / 2**20),
        "faults": faults,
    }


async def come_and_go(app: Server, count: int) -> list[str]:
    """So many sessions, some at once: each looks at two pages and leaves."""
    faults = []
    for _ in range(0, count, AT_ONCE):
        people = await server.join(app.address, AT_ONCE)
        for page in ("sample", "interpolate"):
            await asyncio.gather(*(each.open(page, "model=vae-mnist") for each in people))
        for each in people:
            faults += each.faults
            await each.socket.close()
    return faults


async def measure_growth(app: Server, sessions: int) -> dict[str, Any]:
    """The memory after so many sessions have come and gone, in MiB."""
    faults = await come_and_go(app, KEPT + AT_ONCE)
    memory = [app.memory()]
    for _ in range(4):
        faults += await come_and_go(app, sessions // 4)
        memory.append(app.memory())
    return {
        "sessions": sessions,
        "memory": [round(held / 2**20) for held in memory],
        "ratio": results.figure(memory[-1] / memory[0]),
        "faults": faults,
    }


async def measure(seconds: float, sessions: int) -> dict[str, Any]:
    with server.serving(server.APP, training="open") as app:
        async with visitor.chromium() as browser:
            [first] = await server.join(app.address, 1)
            for page in (*PAGES, *(f"sample?{name}" for name in MODELS)):  # All is imported once.
                name, _, model = page.partition("?")
                await first.open(name, f"model={model}" if model else "")
            await first.socket.close()
            alone = await active(browser, app, 1, min(seconds, 60))
            among = await active(browser, app, 30, seconds)
        growth = await measure_growth(app, sessions)
        faults = [*alone.pop("faults"), *among.pop("faults"), *growth.pop("faults"), *app.faults()]
    return {"alone": alone, "among": among, "growth": growth, "faults": faults}


def tell(found: dict[str, Any], seconds: float) -> None:
    for part in (found["alone"], found["among"]):
        print(
            f"{part['people']} active: page change {results.waits(part['changes'])}; seed to "
            f"picture {results.waits(part['seeds'])}; server's memory {part['memory']:,} MiB"
        )
    others = found["among"]["others"]
    print(
        f"the others' {others['count']} runs of pages in {seconds:.0f} s: {results.waits(others)}"
    )
    changes = [results.figure(found["among"][n]["p95"] / found["alone"][n]["p95"]) for n in WAITS]
    print(f"p95 among thirty over p95 alone: pages {changes[0]}, seeds {changes[1]}")
    growth = found["growth"]
    print(
        f"memory while {growth['sessions']} sessions came and went: {growth['memory']} MiB, "
        f"at the end {growth['ratio']} of the beginning; faults: {found['faults']}"
    )


WAITS = ("changes", "seeds")


def main(arguments: list[str]) -> int:
    parser = results.options("load", __doc__)
    parser.add_argument("--seconds", type=float, default=60, help="that thirty are active")
    parser.add_argument("--sessions", type=int, default=320, help="that come and go")
    options = parser.parse_args(arguments)
    if options.short:
        options.seconds, options.sessions = 8.0, 40
    if sentence := visitor.missing():
        print(f"Skipped. {sentence}")
        return 0
    machine = results.machine()
    found = asyncio.run(measure(options.seconds, options.sessions))
    tell(found, options.seconds)
    results.keep("load", options, {"machine": machine, **found})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
