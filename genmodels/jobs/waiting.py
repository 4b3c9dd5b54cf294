"""The runs that wait or are in training, by what their folders say."""

from genmodels import runs
from genmodels.runs import Run


def waiting() -> list[Run]:
    """The runs that wait, the next one first."""
    tickets = [
        (status.ticket or 0, run.id, run)
        for run in own_runs()
        if (status := run.status()).state == "waiting"
    ]
    return [run for *_, run in sorted(tickets)]


def training() -> list[Run]:
    """The runs in training, on whichever machine."""
    return [run for run in own_runs() if run.status().state == "training"]


def own_runs() -> list[Run]:
    """The user's own, without damaged ones."""
    return [run for run in runs.list_runs() if isinstance(run, Run) and not run.shipped]
