"""Steps recorded once as a CUDA graph and replayed.

The networks here are small, and a GPU is done with a step before Python has launched its kernels
one by one. A graph launches them all at once.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.errors import GenmodelsError

WARM_UP = 3
"""Calls before the one that is recorded: in the first ones libraries choose and allocate."""


class Recorded:
    """Calls a function of tensors on a GPU often, which changes tensors that stay where they are.

    What it does in Python, it does in the first calls only: it may look at no value of a tensor,
    and has to do the same every time. Its random numbers come from `rng`, which may be seeded
    between calls. Tensors of other shapes than those of the first call are left to the function
    itself.
    """

    def __init__(self, rng: torch.Generator):
        self.rng = rng
        self.inputs: list[Tensor] | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.calls = 0

    def __call__(self, act: Callable[..., None], *inputs: Tensor) -> None:
        """The same `act` each time. Raises GenmodelsError where it does what cannot be recorded."""
        if self.inputs is None:
            self.inputs = [given.clone() for given in inputs]
        if [given.shape for given in inputs] != [own.shape for own in self.inputs]:
            act(*inputs)
            return
        self.calls += 1
        if self.calls <= WARM_UP:
            act(*inputs)
            return
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        if self.graph is None:
            self.graph = self.record(act, self.inputs)
        self.graph.replay()

    def record(self, act: Callable[..., None], inputs: list[Tensor]) -> torch.cuda.CUDAGraph:
        """Only records: nothing is computed yet."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.rng.graphsafe_get_state())
        try:
            with torch.cuda.graph(graph):
                act(*inputs)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise GenmodelsError(
                f"these steps cannot be recorded for a GPU ({error.__context__ or error}); set the "
                "model's `recordable` to False, or let its `turns` look at no value of a tensor."
            ) from error
        return graph
