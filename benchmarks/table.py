"""The README's figures of speed; `python -m benchmarks.table` writes them from results.json."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genmodels import paths, terminal
from genmodels.export.tables import between, markdown

from . import results
from .results import text

Part = dict[str, Any]


def training(part: Part) -> str:
    head = (
        "recipe",
        "bare step, images/s",
        "training, images/s",
        "of the bare step",
        "of its time validating",
        "times the textbook loop",
        "all epochs would take",
    )
    rows = [
        (
            f"`{line['recipe']}`",
            f"{line['bare']['median']:,.0f} ({line['variant']})",
            f"{line['training']['median']:,.0f} ({line['precision']})",
            text(line["of_bare"]),
            f"{line['validating']['median']:.0%}",
            text(line["of_textbook"]),
            f"{line['minutes']:.1f} min",
        )
        for line in part["lines"]
    ]
    return markdown(head, rows)


def precision(part: Part) -> str:
    losses = (f"{text(line['ratio'], '.4f')} (`{line['recipe']}`)" for line in part["lines"])
    settings = part["settings"]
    return (
        f"Held-out loss in bfloat16 over that in float32 after {settings['epochs']} equal epochs "
        f"of {settings['images']:,} images, {settings['seeds']} seeds: {', '.join(losses)}."
    )


def growth(part: Part) -> str:
    head = ("recipe", "images", "seconds per image, many / few", "memory, last / first epoch")
    rows = [
        (
            f"`{line['recipe']}`",
            " and ".join(f"{count:,}" for count in line["images"]),
            text(line["linear"]),
            f"{line['flat']:.3f} ({line['epochs']} epochs, {line['memory'][-1]:,} MiB)",
        )
        for line in part["lines"]
    ]
    return markdown(head, rows)


def models(part: Part) -> str:
    head = (
        "model",
        "64 samples",
        "/ bare pass of the network",
        "loading",
        "/ `torch.load`",
        "GIF of 61 frames",
        "/ Pillow's own",
    )
    rows = []
    for line in part["lines"]:
        cells = [f"`{line['run']}`"]
        for kind in ("sample", "load", "gif"):
            times = line[kind]
            cells += [f"{times['ours']['median'] * 1000:.1f} ms", text(times["ratio"])]
        rows.append(cells)
    return markdown(head, rows)


def app(part: Part) -> str:
    start, change, seed = part["start"], part["change"], part["seed"]
    rows = [
        (
            f"start to {what}",
            f"{text(start[name]['app'])} s",
            f"hello {text(start[name]['hello'])} s",
            text(start[name]["ratio"]),
        )
        for name, what in (("heading", "the first heading"), ("whole", "the whole first page"))
    ]
    rows += [
        ("page change, to the heading", *beside(change["heading"], "hello", change["hello"])),
        ("page change, whole page", results.waits(change["whole"]), "", ""),
        ("first visit of a page, whole", results.waits(change["first"]), "", ""),
    ]
    rows += [
        (
            f"seed to picture, `{name}`",
            results.waits(seed[name]),
            f"the least page {results.waits(seed['least'])}",
            text(ratio),
        )
        for name, ratio in seed["ratios"].items()
    ]
    return markdown(("one person", "here", "beside it", "ratio"), rows)


def load(part: Part) -> str:
    alone, among = part["alone"], part["among"]
    names = {"changes": "page change, whole page", "seeds": "seed to picture"}
    rows: list[tuple[str, ...]] = [
        (what, *beside(among[name], "alone", alone[name])) for name, what in names.items()
    ]
    rows.append((f"the others' {among['others']['count']:,} runs", results.waits(among["others"])))
    rows.append(("the server's memory", f"{among['memory']:,} MiB", f"{alone['memory']:,} MiB"))
    growth = part["growth"]
    rows.append(
        (
            f"memory while {growth['sessions']} sessions come and go",
            f"{growth['memory'][-1]:,} MiB",
            f"at first {growth['memory'][0]:,} MiB",
            f"{growth['ratio']:.2f}",
        )
    )
    faults = f"{len(part['faults'])} in {part['settings']['seconds']:.0f} s"
    rows.append(("faults", faults))
    padded = [[*row, "", ""][:4] for row in rows]
    return markdown(("thirty people at once", "here", "beside it", "ratio of the p95"), padded)


def beside(found: Part, name: str, other: Part) -> tuple[str, str, str]:
    """Waits, those they are held against, and how many times as long."""
    ratio = found["p95"] / other["p95"]
    return results.waits(found), f"{name} {results.waits(other)}", f"{ratio:.2f}"


def classroom(part: Part) -> str:
    refused = len(part["refused"])
    return (
        f"`python -m benchmarks.classroom` lets {part['people']} sessions press Start at once and "
        f"then open pages while the first training runs, on one core each: "
        f"{part['accepted']} were accepted{' in order' if part['in_order'] else ''}, "
        f"{refused} refused, each in {results.waits(part['pressing'])}; pages took "
        f"{results.waits(part['pages'])}."
    )


def browser(part: Part) -> str:
    slower = f"{part['slower']} times slower"
    head = (
        "model",
        "player, frames/s",
        slower,
        "map, frames/s",
        slower,
        "decoder alone, pictures/s",
        "loaded, MB",
    )
    rows = [
        (
            f"`{line['run']}`",
            *(
                f"{line[page][speed]['drawn']:.0f}"
                for page in ("player", "map")
                for speed in ("full", "slower")
            ),
            f"{line['worker']['full']:,.0f}",
            f"{sum(each['transferred'] for each in line['loaded'].values()) / 1e6:.1f}",
        )
        for line in part["lines"]
    ]
    drags = [
        line[page][speed]
        for line in part["lines"]
        for page in ("player", "map")
        for speed in ("full", "slower")
    ]
    asked = sum(drag["requests"] + drag["messages"] for drag in drags)
    server = part["server"]
    return (
        f"{markdown(head, rows)}\n\nMeanwhile the server was asked {asked} times. With "
        f"{server['sessions']} sessions open it takes {server['idle']:.3f} CPU seconds a second, "
        f"and {server['dragging']:.3f} while {len(server['tabs'])} of them drag."
    )


def fid(part: Part) -> str:
    rows = [
        (
            line["name"],
            f"{text(line['pytorch-fid'])} s",
            f"{text(line['genmodels'])} s",
            text(line["ratio"], ".1f"),
        )
        for line in part["lines"]
    ]
    return markdown(("", "pytorch-fid", "here", "times as fast"), rows)


WRITTEN: dict[str, Callable[[Part], str]] = {
    "training": training,
    "training-cuda": training,
    "precision": precision,
    "growth": growth,
    "models": models,
    "app": app,
    "load": load,
    "classroom": classroom,
    "browser": browser,
    "fid": fid,
}
"""What is written of each part, between marks of its name."""


def measured_on(part: Part) -> str:
    """Where and when, in a line."""
    on = part["machine"]
    return (
        f"{on.get('gpu') or on['cpu']}, {on['cores']} cores, torch {on['torch']}, load before "
        f"{on['load']}, {on['date']}."
    )


def updated(readme: str, found: dict[str, Part]) -> str:
    """A README's text with what was found between the marks of each part."""
    for name, write in WRITTEN.items():
        begin, end = f"<!-- benchmarks: {name} -->", f"<!-- /benchmarks: {name} -->"
        made = "Not measured yet."
        if name in found:
            made = f"{write(found[name])}\n\n{measured_on(found[name])}"
        readme = between(readme, begin, end, made)
    return readme


def main(path: Path = paths.REPOSITORY / "README.md") -> int:
    path.write_text(updated(path.read_text("utf-8"), results.read()), "utf-8")
    return 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
