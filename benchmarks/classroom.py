"""Thirty people press "Start training" at once: `python -m benchmarks.classroom`.

The app is served as a user serves it, on the real data. Thirty sessions of Streamlit's own
protocol, each with a cookie of its own, open the Train page and press the button. Then, while the
first of their trainings runs, every session opens page after page. Told are how many trainings
were accepted, whether they wait in the order in which they were accepted, and how long the pages
took from the request to the end of the script.
"""

import asyncio
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from genmodels import jobs, runs, terminal
from genmodels.errors import RunError

from . import results, server

PEOPLE = 30
PAGES = ("", "sample", "interpolate", "curves", "evaluate", "train")
RECIPE = "recipe=vae-mnist&vae-mnist-epochs=20"


async def classroom(address: str, times: int) -> dict[str, Any]:
    """Thirty sessions, all at once."""
    async with asyncio.timeout(900):
        sessions = await server.join(address, PEOPLE)
        opened = await asyncio.gather(*(each.open("train", RECIPE) for each in sessions))
        buttons = [
            next(e.button.id for e in drawn if e.button.label == "Start training")
            for _, drawn in opened
        ]
        pressed = await asyncio.gather(
            *(
                each.open("train", RECIPE, press)
                for each, press in zip(sessions, buttons, strict=True)
            )
        )
        refused = [e.alert.body for _, drawn in pressed for e in drawn if e.alert.format == 1]
        found = [run for run in runs.list_runs() if isinstance(run, runs.Run) and not run.shipped]
        in_order = sorted(jobs.waiting(), key=lambda run: int(run.id.rsplit("-", 1)[1]))
        first = {
            "people": PEOPLE,
            "accepted": len(found),
            "refused": sorted(set(refused)),
            "in_order": in_order == jobs.waiting(),
            "opening": results.latencies([seconds for seconds, _ in opened]),
            "pressing": results.latencies([seconds for seconds, _ in pressed]),
        }
        while not any(run.status().epoch for run in jobs.training()):
            await asyncio.sleep(0.5)
            for run in found:
                if run.status().state == "failed":
                    raise RunError(f"{run.id} failed: {run.status().reason}")
        waited: list[float] = []
        for page, _ in itertools.product(PAGES, range(times)):
            for each in sessions:  # Thirty people, but not all in the same tenth of a second.
                waited.append((await each.open(page))[0])
        faults = [fault for each in sessions for fault in each.faults]
        return first | {"pages": results.latencies(waited), "faults": faults}


def main(arguments: list[str]) -> int:
    parser = results.options("classroom", __doc__)
    parser.add_argument("--times", type=int, default=2, help="that each session opens each page")
    options = parser.parse_args(arguments)
    if options.short:
        options.times = 1
    machine = results.machine()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.environ["GENMODELS_RUNS"] = f"{place}/runs"
        # As on a server: a training takes the one core, the pages the other.
        os.environ["OMP_NUM_THREADS"] = "1"
        with server.serving(server.APP, runs=f"{place}/runs", training="open") as app:
            try:
                found = asyncio.run(classroom(app.address, options.times))
                found["faults"] += app.faults()
            except RunError as error:
                print(f"Not measured. {error}")
                return 2
            finally:
                for path in Path(place).glob("runs/*/recipe.json"):
                    jobs.stop(runs.open_run(path.parent))
        time.sleep(5)
    print(
        f"{found['accepted']} trainings of {PEOPLE} accepted, refused {found['refused']}, in the "
        f"order of their acceptance: {found['in_order']}; faults {found['faults']}"
    )
    for what, name in (
        ("opening the Train page, all at once", "opening"),
        ("pressing Start, all at once", "pressing"),
        ("a page while a training runs", "pages"),
    ):
        print(f"{what}: {results.waits(found[name])}")
    results.keep("classroom", options, {"machine": machine, **found})
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
