"""t-SNE (van der Maaten and Hinton 2008) of a run's posterior means, kept in the cache.

It is computed in a process of its own, so that a page can tell how far it is and stop it:
`python -m genmodels.latents.tsne RUN` prints scikit-learn's progress and writes the result.
"""

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from genmodels import paths, runs
from genmodels.errors import GenmodelsError, RunError
from genmodels.runs import Run, cache

from . import posteriors

ITERATIONS = 1000
PERPLEXITY = 30
"""How many neighbours each point has, about; a third of the points where they are few."""
LEAST = 10
"""Of fewer posterior means there is no t-SNE."""


def read(run: Run) -> Tensor | None:
    """The points [n, 2], one for each stored posterior mean; None when not computed yet."""
    kept = cache.read(_key(run))
    return kept["points"] if kept else None


def steps(run: Run) -> Generator[int]:
    """Computes them, giving how many of the iterations are done. Closing it ends the work.

    Raises FolderError before it where the cache can't be written.
    """
    cache.check_writable()
    command = [sys.executable, "-u", "-m", "genmodels.latents.tsne", str(run.path)]
    process = subprocess.Popen(
        command,
        cwd=paths.REPOSITORY,
        # Threads that spin while they wait are many times slower where others work too.
        env=paths.environment() | {"OMP_WAIT_POLICY": "PASSIVE"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    said = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if match := re.search(r"Iteration (\d+):", line):
                yield int(match[1])
        if process.wait():
            raise RuntimeError(f"t-SNE of {run.id} failed:\n{''.join(said)}")
    finally:
        process.kill()
        process.wait()


def compute(run: Run) -> Tensor:
    """The points [n, 2], into the cache: the same ones each time. Raises RunError."""
    from sklearn.manifold import TSNE  # Slow to import, and not needed to read.

    stored = posteriors.stored(run)
    if stored is None or len(stored.means) < LEAST:
        raise RunError(f"{run.id} keeps fewer than {LEAST} posterior means; choose another run.")
    perplexity = min(PERPLEXITY, (len(stored.means) - 1) / 3)
    method = TSNE(perplexity=perplexity, max_iter=ITERATIONS, random_state=0, verbose=2)
    points = torch.from_numpy(method.fit_transform(stored.means.numpy())).float()
    cache.write(_key(run), {"points": points})
    return points


def _key(run: Run) -> str:
    version = importlib.metadata.version("scikit-learn")
    return f"tsne {runs.fingerprint(run)} scikit-learn-{version} {PERPLEXITY} {ITERATIONS}"


if __name__ == "__main__":
    try:
        compute(runs.open_run(Path(sys.argv[1])))
    except GenmodelsError as error:
        print(f"genmodels.latents.tsne: {error}", file=sys.stderr)
        sys.exit(2)
