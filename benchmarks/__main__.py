"""All benchmarks, or those named: `python -m benchmarks`, `python -m benchmarks app load`.

Each part runs in a process of its own and is a command of its own, `python -m benchmarks.app
--help`, with a few options more. What it measures it keeps in benchmarks/results.json, where it
replaces what it measured before; at the end the README's tables are written from that file.
Nothing else should run meanwhile. `--short` tries everything in minutes and keeps nothing.
"""

import argparse
import subprocess
import sys

from genmodels import terminal

from . import table

PARTS = {
    "training": ["training"],
    "training-cuda": ["training", "--device=cuda"],
    "models": ["models"],
    "app": ["app"],
    "load": ["load"],
    "classroom": ["classroom"],
    "browser": ["browser"],
    "fid": ["fid"],
    "growth": ["growth"],
    "precision": ["precision"],
}
"""The module of each part and its arguments, in the order in which they need a quiet machine."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="a trial, which is not kept")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; name some of {', '.join(PARTS)}")
    failed = []
    for part in options.parts or PARTS:
        print(f"\n{part}", flush=True)
        module, *more = PARTS[part]
        command = [sys.executable, "-m", f"benchmarks.{module}", *more]
        if subprocess.run(command + ["--short"] * options.short, check=False).returncode:
            failed.append(part)
    if not options.short:
        table.main()
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
