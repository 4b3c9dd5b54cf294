"""Where commands write: a terminal, a file or a pipe."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO


class Output(io.TextIOWrapper):
    """Text that is no reason to fail: signs that its encoding lacks become question marks, and what
    nobody reads any more (`| head -1`) goes nowhere, now and later."""

    def write(self, text: str) -> int:
        with self._read_or_not():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._read_or_not():
            super().flush()

    @contextlib.contextmanager
    def _read_or_not(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


def prepare() -> None:
    """To be called first where a command is started, and nowhere else."""
    sys.stdout, sys.stderr = map(_output, (sys.stdout, sys.stderr))


def _output(stream: TextIO | None) -> TextIO:
    if stream is None:  # It was closed before Python started.
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    return Output(
        stream.buffer,
        encoding=stream.encoding,
        errors="replace",
        line_buffering=bool(stream.line_buffering),
        write_through=getattr(stream, "write_through", False),
    )
