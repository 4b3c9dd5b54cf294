"""What the benchmarks found: results.json, part by part, each with the machine it was found on.

A part is measured again by itself, and replaces no other. `python -m benchmarks.table` writes the
README's tables from the file.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genmodels import paths, runs

FILE = paths.REPOSITORY / "benchmarks" / "results.json"


def options(part: str, text: str | None) -> argparse.ArgumentParser:
    """What all parts are asked by the command line."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{part}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--short", action="store_true", help="a trial of a minute or less, which is not kept"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"where to keep the numbers, by default {FILE}"
    )
    return parser


def keep(part: str, chosen: argparse.Namespace, found: dict[str, Any]) -> None:
    """Replaces a part of the file, unless this was a trial."""
    path = chosen.json or FILE
    if chosen.short and not chosen.json:
        print("A trial, not a measurement: nothing is kept.")
        return
    plain = {name: value for name, value in vars(chosen).items() if name != "json"}
    runs.write_json(path, read(path) | {part: {"settings": plain, **found}})


def read(path: Path = FILE) -> dict[str, Any]:
    """All parts by their names; none where nothing was measured."""
    return json.loads(path.read_bytes()) if path.exists() else {}


def machine() -> dict[str, Any]:
    """What measures, to be asked before it measures: `load` is how many others want a core."""
    import torch

    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def _processor() -> str:
    """The processor's name and what it has for bfloat16, where Linux says so."""
    with contextlib.suppress(FileNotFoundError):
        lines = [
            line.partition(":") for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        ]
        said = {name.strip(): value.strip() for name, _, value in lines}
        has = {"amx_bf16", "avx512_bf16"} & set(said.get("flags", "").split())
        return " ".join([said.get("model name", platform.machine()), *sorted(has)])
    return platform.processor() or platform.machine()


def spread(values: list[float]) -> dict[str, Any]:
    """Of several measurements of the same: `values` in their order."""
    return {
        "median": figure(statistics.median(values)),
        "min": figure(min(values)),
        "max": figure(max(values)),
        "values": [figure(value) for value in values],
    }


def latencies(seconds: list[float]) -> dict[str, Any]:
    """Of many waits: the median, and what one in twenty takes longer than."""
    ninety_five = statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
    return {
        "count": len(seconds),
        "median": figure(statistics.median(seconds)),
        "p95": figure(min(ninety_five, max(seconds))),
        "max": figure(max(seconds)),
    }


def figure(value: float) -> float:
    """To four digits."""
    return float(f"{value:.4g}")


def text(found: dict[str, Any], form: str = ".2f") -> str:
    """A spread in words: median (least–greatest); without what would say nothing."""
    median, least, most = (format(found[name], form) for name in ("median", "min", "max"))
    return f"{median} ({least}–{most})" if least != most else median


def waits(found: dict[str, Any]) -> str:
    return f"median {found['median'] * 1000:.0f} ms, p95 {found['p95'] * 1000:.0f} ms"


def in_turn(
    ways: dict[str, Callable[[], Any]], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Seconds a call of each way, measured in turn (A B A B), each for so long in each round."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            calls, started, passed = 0, time.perf_counter(), 0.0
            while passed < seconds:
                way()
                calls += 1
                passed = time.perf_counter() - started
            found[name].append(passed / calls)
    return found


def ratios(above: list[float], below: list[float]) -> dict[str, Any]:
    """Round by round, so that what a machine does meanwhile meets both."""
    return spread([a / b for a, b in zip(above, below, strict=True)])
