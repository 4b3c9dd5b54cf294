"""A run's decoder as an ONNX file, for browsers: latents in, images out, nothing else needed.

Weights that are exactly half-precision numbers, as the shipped ones are, are stored as such, and
the graph casts them to float32: the file is half as large and loses nothing. onnxruntime does the
casts once, while it loads.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genmodels import paths, runs
from genmodels.errors import RunError
from genmodels.models import LatentModel, weights
from genmodels.runs.locks import Lock

if TYPE_CHECKING:
    import onnx

FORMAT = 1
"""Of the files; another number makes them anew."""


def decoder_file(run: runs.Run) -> Path:
    """`model.decode` of a run in the cache, made when it is first asked for. Raises RunError.

    Its one input is `latents`, float32 [n, latent_dim], its one output `images`, float32
    [n, channels, height, width] in [0, 1], both for any n.
    """
    fingerprint = runs.fingerprint(run)
    path = paths.cache() / "decoders" / f"{fingerprint}-{FORMAT}.onnx"
    if path.exists():
        return path
    paths.check_writable(path.parent)
    # One at a time: an export takes seconds, and all who wait may want the same.
    with Lock(path.parent / "export.lock"):
        if not path.exists():
            # Loaded for this alone; the model that all sessions share stays out of it.
            model = weights.load_run(run)
            if not hasattr(model, "decode"):
                raise RunError(f"{run.id} turns no latents into images; choose a VAE or a GAN.")
            if runs.fingerprint(run) == fingerprint:
                runs.write_atomic(path, _export(model))
    # Its training may have finished an epoch in between.
    return path if path.exists() else decoder_file(run)


def _export(model: LatentModel) -> bytes:
    import torch

    class Decode(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model.requires_grad_(False)

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return self.model.decode(latents)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The exporter's own, about torch's insides.
        program = torch.onnx.export(
            Decode().eval(),
            (torch.zeros(2, model.latent_dim),),
            input_names=["latents"],
            output_names=["images"],
            dynamic_shapes={"latents": {0: torch.export.Dim("n")}},
            dynamo=True,
            external_data=False,
            optimize=False,  # It would fold normalisations into weights, which then need 32 bits.
            verbose=False,
        )
    assert program is not None
    file = program.model_proto
    _forget_where_it_was_made(file.graph)
    _halve(file.graph)
    return file.SerializeToString()


def _forget_where_it_was_made(graph: "onnx.GraphProto") -> None:
    """Drops the stack traces: they name folders of this machine, and browsers would load them."""
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output, graph):
        del part.metadata_props[:]
    del graph.value_info[:]


def _halve(graph: "onnx.GraphProto") -> None:
    """Stores those float32 weights as float16 whose every value survives it."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if np.array_equal(half, values):
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
