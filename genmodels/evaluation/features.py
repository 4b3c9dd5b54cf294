"""What turns images into features: Inception, as FID wants it, or a classifier trained here.

Images are float32 [n, channels, height, width] in [0, 1]. pytorch_fid and torchvision are
imported only when Inception is asked for.
"""

import hashlib
import io
import os
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from genmodels import runs
from genmodels.errors import RunError
from genmodels.models import weights
from genmodels.recipes import DATASETS, Recipe

from .distances import EvaluationError

Kind = Literal["inception", "classifier"]
Precision = Literal["float32", "bfloat16"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
INCEPTION_SIZE = 299
DOWNLOAD_TIMEOUT = 15
"""Seconds without an answer after which the network counts as blocked."""
_building = threading.Lock()


@dataclass(frozen=True)
class Extractor:
    """A network that gives features; call it with images for features [n, d], float32.

    `fingerprint` tells apart whatever changes a feature: weights, preprocessing, precision.
    """

    name: str
    """inception, or the id of a classifier's run."""
    label: str
    """For people: "Inception", "digit classifier"."""
    fingerprint: str
    channels: tuple[int, ...]
    """How many channels an image may have."""
    batch_size: int
    """How many images at once are fast."""
    device: torch.device
    network: Callable[[Tensor], Tensor]
    head: Callable[[Tensor], Tensor] | None = None
    """Features to logits of the classes, where it is a classifier of the data set."""
    classes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name of the Fréchet distance of these features; only Inception's is FID."""
        return "FID" if self.name == "inception" else f"Fréchet distance ({self.label})"

    @property
    def kernel_title(self) -> str:
        """The name of the kernel distance of these features."""
        return "KID" if self.name == "inception" else f"Kernel distance ({self.label})"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Raises EvaluationError for what are no images, or not of the kind it knows."""
        if images.ndim != 4 or images.shape[1] not in self.channels:
            raise EvaluationError(
                f"{self.label} takes images [n, {' or '.join(map(str, self.channels))}, "
                f"height, width], not {list(images.shape)}."
            )
        if not images.isfinite().all():
            raise EvaluationError("the images hold values that are NaN or infinite.")
        return self.network(images.to(self.device)).float().cpu()

    @torch.inference_mode()
    def probabilities(self, features: Tensor) -> Tensor:
        """p(class | image) of features [n, d]: [n, classes]."""
        if self.head is None:
            raise EvaluationError(f"{self.label} names no classes of the data set.")
        return self.head(features.to(self.device)).softmax(1).cpu()


def check_known(recipe: Recipe, kind: str) -> None:
    """Raises EvaluationError where features of that kind know nothing of a recipe's images."""
    if recipe.pictures is not None and kind != "inception":
        raise EvaluationError(
            f"our classifier does not know the pictures of {recipe.pictures}; choose Inception's "
            "features, or pixels where they are offered."
        )


def load(
    kind: Kind,
    dataset: str,
    *,
    weights_file: Path | None = None,
    device: torch.device | str = "cpu",
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> Extractor:
    """The features of that kind for a data set. Raises EvaluationError when they are missing."""
    if kind == "inception":
        return inception(weights_file, device=device, precision=precision, progress=progress)
    return classifier(_classifier_run(dataset), device=device, precision=precision)


def _classifier_run(dataset: str) -> runs.Run:
    name = f"classifier-{dataset}"
    try:
        return runs.find(name)
    except RunError as error:
        raise EvaluationError(
            f"measuring needs {name} ({str(error).rstrip('.')}); "
            f"train it by `python train.py {name} --run-dir runs/{name}`."
        ) from error


def stages(dataset: str, device: torch.device) -> Callable[[Tensor], list[Tensor]]:
    """What each stage of a data set's classifier sees of images; gradients pass through it.

    Raises EvaluationError where there is no classifier.
    """
    model = weights.load_run(_classifier_run(dataset), str(device)).requires_grad_(False)
    return model.to(memory_format=torch.channels_last).stages


def classifier(
    run: runs.Run, *, device: torch.device | str = "cpu", precision: Precision = "float32"
) -> Extractor:
    """The features of a run of family "classifier": what its last layer sees."""
    model = weights.load_run(run, str(device))
    if not hasattr(model, "features"):
        raise EvaluationError(f"{run.id} is no classifier; name a run of one.")
    model = model.to(memory_format=torch.channels_last)
    dtype = getattr(torch, precision)

    def features(images: Tensor) -> Tensor:
        with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
            return model.features(images.contiguous(memory_format=torch.channels_last))

    dataset = run.recipe.dataset
    head = model.classifier.head
    label = "digit classifier" if dataset == "mnist" else f"{DATASETS[dataset].title} classifier"
    return Extractor(
        name=run.id,
        label=label if run.id == f"classifier-{dataset}" else f"{label} {run.id}",
        fingerprint=_sha256(f"{runs.fingerprint(run)} {precision}".encode()),
        channels=run.recipe.shape[:1],
        batch_size=100,
        device=model.device,
        network=features,
        head=head,
        classes=DATASETS[dataset].classes,
    )


def inception(
    weights_file: Path | None = None,
    *,
    device: torch.device | str = "cpu",
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> Extractor:
    """The 2,048 features of pytorch_fid's Inception, with its weights or those of a file.

    In float32 the same numbers as pytorch_fid's, but for rounding: channels last, and each
    normalisation folded into its convolution. Raises EvaluationError.
    """
    path = find_inception(weights_file, progress)
    content = path.read_bytes()
    digest = _sha256(content)
    expected = INCEPTION_FILE.removesuffix(".pth").rsplit("-", 1)[1]
    if path.name == INCEPTION_FILE and not digest.startswith(expected):
        raise EvaluationError(
            f"{path} is damaged: its SHA-256 begins with {digest[:8]}, not {expected}; "
            "delete it and fetch it again."
        )
    network = _pytorch_fid_network(_read_weights(path, content))
    dtype = getattr(torch, precision)
    network = network.to(device, dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def features(images: Tensor) -> Tensor:
        # As pytorch_fid does; three equal channels may as well be made after resizing.
        size = (INCEPTION_SIZE, INCEPTION_SIZE)
        images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
        images = (2 * images - 1).to(dtype).expand(-1, 3, -1, -1)
        return network(images.contiguous(memory_format=torch.channels_last))[0].flatten(1)

    return Extractor(
        name="inception",
        label="Inception",
        fingerprint=_sha256(f"pytorch-fid pool3 {digest} {precision}".encode()),
        channels=(1, 3),
        batch_size=64,
        device=torch.device(device),
        network=features,
    )


def find_inception(weights_file: Path | None = None, progress: Progress | None = None) -> Path:
    """The file of Inception's weights: the one named, GENMODELS_INCEPTION, or torch hub's.

    Downloaded to torch hub's folder where it is missing. Raises EvaluationError.
    """
    named = weights_file or os.environ.get("GENMODELS_INCEPTION")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise EvaluationError(f"there is no file {path} of Inception's weights.")
        return path
    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE
    if not path.exists():
        _download(path, progress or (lambda what, done, total: None))
    return path


def _download(path: Path, progress: Progress) -> None:
    from pytorch_fid.inception import FID_WEIGHTS_URL

    try:
        with urllib.request.urlopen(FID_WEIGHTS_URL, timeout=DOWNLOAD_TIMEOUT) as answer:
            total = int(answer.headers.get("Content-Length", 0))
            content = bytearray()
            while part := answer.read(1 << 20):
                content += part
                progress("Downloading Inception's weights, MB", len(content) >> 20, total >> 20)
    except OSError as error:  # urllib's own errors are these too
        raise EvaluationError(
            f"Inception's weights are missing and could not be downloaded ({error}): put the "
            f"file {INCEPTION_FILE} from {FID_WEIGHTS_URL} into {path.parent}, "
            "or name it by --weights."
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.write_atomic(path, bytes(content))


def _read_weights(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its readers raise.
        raise EvaluationError(
            f"{path} is damaged, or no file of weights; put {INCEPTION_FILE} there again."
        ) from error


def _pytorch_fid_network(state: dict[str, Any]) -> nn.Module:
    """pytorch_fid's network with these weights, ready to run fast.

    pytorch_fid calls for its weights while it builds; ours are handed in there, so that it
    downloads nothing by itself.
    """
    from pytorch_fid import inception as theirs

    with _building:
        download = theirs.load_state_dict_from_url
        theirs.load_state_dict_from_url = lambda url, progress: state
        try:
            network = theirs.InceptionV3(resize_input=False, normalize_input=False)
        except (RuntimeError, TypeError) as error:
            raise EvaluationError(
                f"the weights do not fit pytorch_fid's Inception; they must be {INCEPTION_FILE}."
            ) from error
        finally:
            theirs.load_state_dict_from_url = download
    network.eval()
    for layer in network.modules():
        if hasattr(layer, "conv") and hasattr(layer, "bn"):
            layer.conv = fuse_conv_bn_eval(layer.conv, layer.bn)  # pyright: ignore
            layer.bn = nn.Identity()
    return network


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
