"""Fits one recipe into one run folder. The command line is train.py.

A run is committed epoch by epoch: network files, metrics, samples, then state.pt, written
last. What is newer than state.pt is discarded on resuming. All randomness of an epoch follows
from the seed and the epoch's number, so a resumed training is the one never interrupted.

Started by torchrun, N processes compute what one would with batches N times as large: each
takes its part of a batch, and they add up their gradients (see `genmodels.training.processes`).
"""

import contextlib
import copy
import dataclasses
import io
import math
import operator
import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import Timeout
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from genmodels import recipes, runs
from genmodels.data import datasets, formats, image_tensors, own_pictures
from genmodels.errors import GenmodelsError, RecipeError, RunError
from genmodels.evaluation import Gauge, features
from genmodels.latents import posteriors
from genmodels.models import Model, build, random_numbers, weights
from genmodels.models.devices import Device, choose_device, choose_precision
from genmodels.recipes import Recipe

from . import processes, provenance
from .cuda_graph import Recorded
from .progress import Progress, Stopped, watch

SAMPLE_SEED = 0
"""Seed of the 64 latents whose pictures are stored."""
VALIDATION_SEED = 1
VALIDATION_BATCH = 128
"""More did not fit the caches of the processors it was measured on, and took twice the time."""
ENDING_EVERY = 16
"""Steps between two looks for a process that is to end, where a look waits for the GPU."""


@dataclass
class Trainer:
    """One training, from its first or its last committed epoch to its end."""

    folder: Path
    recipe: Recipe
    model: Model
    train: image_tensors.Images
    val: image_tensors.Images
    progress: Progress

    def __post_init__(self) -> None:
        self.device = self.model.device
        self.recorded = (
            self.device.type == "cuda" and processes.WORLD == 1 and self.model.recordable
        )
        self.optimizers = {
            name: torch.optim.Adam(
                network.parameters(),
                fused=self.device.type != "mps",
                capturable=self.recorded,
                **self.model.optimizer_options(name),
            )
            for name, network in self.model.networks.items()
        }
        self.learning_rates = {
            name: optimizer.defaults["lr"] for name, optimizer in self.optimizers.items()
        }
        # Where a step is recorded, the rates are on the GPU: numbers would be recorded with it.
        self.rates = {name: torch.zeros((), device=self.device) for name in self.optimizers}
        self.parameters = {
            name: list(network.parameters()) for name, network in self.model.networks.items()
        }
        self.averages: list[Tensor] = []
        self.learning: list[Tensor] = []
        self.shown = self.averaged()
        self.images_seen = 0
        self.endings: Tensor | None = None
        # The networks take images channels last: then a batch gathered from this is so too.
        nhwc = self.train.pixels.permute(0, 2, 3, 1).contiguous()
        self.pixels = nhwc.to(self.device).permute(0, 3, 1, 2)
        self.labels = self.train.labels.to(self.device)
        self.rng = random_numbers.SharedGenerator(self.device)
        self.rng.total = processes.total if processes.WORLD > 1 else None
        self.means = Means()
        self.validation_rng = torch.Generator(self.device)
        self.validation_means = Means()
        self.call_step = self.call_validation = operator.call
        if self.recorded:
            self.call_step = Recorded(self.rng)
            self.call_validation = Recorded(self.validation_rng)
            # torch warns of optimizers made for it that take a step which is not recorded.
            warnings.filterwarnings("ignore", "This instance was constructed with capturable")
        self.distance_every = getattr(self.recipe, "distance_every", None)
        if self.distance_every and processes.RANK == 0:
            # Before the first epoch: what is missing for it is told at once.
            self.gauge = Gauge(self.recipe.dataset, self.val, self.device, self.progress.preparing)

    def run(self, committed: int) -> None:
        """Trains the epochs after the committed one."""
        self.counted = time.perf_counter()
        if committed == 0:
            with processes.together():
                if processes.RANK == 0:
                    self.fit_prior()
                    self.store_samples()
                    self.commit(0, [self.validate(0)])
        self.progress.begin(self.images_seen, self.recipe.epochs * len(self.train))
        for epoch in range(committed + 1, self.recipe.epochs + 1):
            line = self.train_epoch(epoch)
            with processes.together():
                if processes.RANK == 0:
                    self.fit_prior()
                    held_out = self.validate(epoch) | self.measure_distance(epoch)
                    self.store_samples()
                    self.commit(epoch, [line, held_out])

    def train_epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the training images; its line for metrics.jsonl."""
        seed = self.seed(epoch)
        self.rng.manual_seed(seed)
        order = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(seed))
        order = order.to(self.device)
        self.model.train()
        self.means.clear()
        started = time.perf_counter()
        batches = image_tensors.batches(len(order), self.recipe.batch_size * processes.WORLD)
        for step, batch in enumerate(batches, 1):
            index = order[batch]
            self.set_learning_rates()
            self.call_step(self.learn, index)
            self.average()
            self.images_seen += len(index)
            self.progress.advance(len(index))
            # After 1, 2, 4, 8, ... steps.
            if epoch == 1 and step & (step - 1) == 0 and processes.RANK == 0:
                self.store_samples()
                self.model.train()
            with processes.together(self.is_ending(step)):
                if self.progress.due():
                    self.report(epoch, self.means.result())
                self.progress.check_stop()
        self.means.add_up()
        losses = self.means.result()
        with processes.together():
            self.report(epoch, losses)
        return self.line("train", epoch, losses, time.perf_counter() - started)

    def learn(self, batch: Tensor) -> None:
        """One training step on this process's part of a batch: the numbers of its images, [n]."""
        self.rng.count = count = len(batch)
        self.rng.rows, self.rng.own = processes.share(count, self.model.unit)
        own = self.rng.own
        index = batch[self.rng.rows]
        images = image_tensors.to_float(self.pixels[index])
        self.means.add(self.step(images, self.labels[index], self.rng, own / count), own)

    def step(
        self, images: Tensor, labels: Tensor, rng: torch.Generator, part: float = 1.0
    ) -> dict[str, Tensor]:
        """Each network's move in turn.

        `part` is that of the whole batch, of all processes, which these images are.
        """
        measured: dict[str, Tensor] = {}
        for turn in self.model.turns(images, labels, rng):
            # Only for the networks that move: the others neither get nor need gradients.
            moving = [weight for name in turn.networks for weight in self.parameters[name]]
            # Not the gradients: synchronised batch norm adds up some of them on the way.
            loss = turn.loss if part == 1 else turn.loss * part
            loss.backward(inputs=moving)
            self.endings = processes.sum_gradients(moving)
            for name in turn.networks:
                self.optimizers[name].step()
                self.optimizers[name].zero_grad()
            measured |= turn.measured
        return measured

    def averaged(self) -> Model:
        """The model that is shown and kept: the one that learns, or where the recipe asks for an
        average of its weights, one that has those."""
        self.weight_average = getattr(self.recipe, "weight_average", 0.0)
        if not self.weight_average:
            return self.model
        shown = copy.copy(self.model)
        shown._modules = dict(self.model._modules)
        for name in self.model.averaged():
            average = copy.deepcopy(self.model.networks[name]).requires_grad_(False)
            shown.add_module(name, average)
            own, learning = average.state_dict(), self.model.networks[name].state_dict()
            for key, tensor in own.items():
                if tensor.is_floating_point():  # Not the counts of batch normalisation.
                    self.averages.append(tensor)
                    self.learning.append(learning[key])
        return shown

    def average(self) -> None:
        """Moves the averages on by a step; the untrained weights are soon forgotten."""
        if self.averages:
            step = self.images_seen / (self.recipe.batch_size * processes.WORLD)
            decay = min(self.weight_average, (1 + step) / (10 + step))
            get_ema_multi_avg_fn(decay)(self.averages, self.learning, 0)

    def is_ending(self, step: int) -> bool:
        """Whether some process is to end; of the same step, all get the same answer."""
        if self.endings is None or (self.device.type != "cpu" and step % ENDING_EVERY):
            return False
        return self.endings.item() > 0

    def set_learning_rates(self) -> None:
        """Those of the next step: a function of the images seen alone, as resuming needs."""
        in_all = self.recipe.epochs * len(self.train)
        factor = self.model.learning_rate_factor(self.images_seen / in_all)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                rate = self.learning_rates[name] * factor
                group["lr"] = self.rates[name].fill_(rate) if self.recorded else rate

    @torch.inference_mode()
    def validate(self, epoch: int) -> dict[str, Any]:
        """The same quantities on held-out images, with the same noise every time."""
        self.shown.eval()
        self.validation_rng.manual_seed(VALIDATION_SEED)
        self.validation_means.clear()
        started = time.perf_counter()
        for part in image_tensors.batches(len(self.val), VALIDATION_BATCH):
            pixels = self.val.pixels[part].to(self.device)
            if pixels.shape[1] > 1:
                pixels = pixels.contiguous(memory_format=torch.channels_last)
            self.call_validation(self.measure, pixels, self.val.labels[part].to(self.device))
            self.progress.check_stop()
        losses = self.validation_means.result()
        return self.line("val", epoch, losses, time.perf_counter() - started)

    def measure(self, pixels: Tensor, labels: Tensor) -> None:
        """Adds what is measured on held-out images to their means."""
        measured = self.shown.measure(image_tensors.to_float(pixels), labels, self.validation_rng)
        self.validation_means.add(measured, len(pixels))

    def fit_prior(self) -> None:
        """Fits the Gaussians that latents are drawn from, where they are the posteriors'."""
        if hasattr(self.shown, "encode") and self.shown.prior is not None:
            self.shown.eval()
            posteriors.fit_prior(self.shown, self.train, self.progress.check_stop)

    def measure_distance(self, epoch: int) -> dict[str, float]:
        """The classifier distance, in the epochs for which the recipe asks."""
        if not self.distance_every or epoch % self.distance_every:
            return {}
        self.shown.eval()
        started = time.perf_counter()
        distance = self.gauge(
            self.shown, recipes.DISTANCE_SAMPLES, SAMPLE_SEED, self.progress.check_stop
        )
        seconds = round(time.perf_counter() - started, 3)
        return {"classifier_distance": distance, "distance_seconds": seconds}

    @torch.inference_mode()
    def store_samples(self) -> None:
        """The same 64 latents decoded, as one picture named by the images seen."""
        sample = getattr(self.shown, "sample", None)
        if sample is None:
            return
        self.shown.eval()
        images = sample(runs.SAMPLES, SAMPLE_SEED).cpu().numpy()
        content = formats.webp(formats.sprite(formats.from_floats(images)))
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        runs.write_atomic(folder / f"{self.images_seen:09d}.webp", content, durable=False)

    def commit(self, epoch: int, lines: list[dict[str, Any]]) -> None:
        """Makes an epoch the state to resume from. What writing that state takes is counted with
        the next epoch, or by `finish`."""
        networks = {name: net.state_dict() for name, net in self.shown.networks.items()}
        learning = {name: net.state_dict() for name, net in self.model.networks.items()}
        weights.save_networks(self.folder, networks, self.images_seen)
        *others, last = lines
        seconds = self.uncounted() - sum(line["seconds"] for line in lines)
        runs.append_metrics(self.folder, [*others, last | {"other_seconds": round(seconds, 3)}])
        state = {
            "epoch": epoch,
            "images_seen": self.images_seen,
            "networks": networks,
            "learning": learning if self.averages else {},
            "optimizers": {name: opt.state_dict() for name, opt in self.optimizers.items()},
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        runs.write_atomic(self.folder / "state.pt", buffer.getbuffer())

    def uncounted(self) -> float:
        """Seconds since this was asked last: what metrics.jsonl does not count yet."""
        before, self.counted = self.counted, time.perf_counter()
        return self.counted - before

    def restore(self, state: dict[str, Any]) -> int:
        """Goes back to a committed epoch and gives its number."""
        try:
            for name, network in self.model.networks.items():
                network.load_state_dict((state["learning"] or state["networks"])[name])
                if self.averages:
                    self.shown.networks[name].load_state_dict(state["networks"][name])
                self.optimizers[name].load_state_dict(state["optimizers"][name])
                for group in self.optimizers[name].param_groups:
                    group["capturable"] = self.recorded  # Not that of where it began.
        except (KeyError, RuntimeError, ValueError) as error:
            raise RunError(
                f"{self.folder.name}: state.pt does not fit the recipe; restore both files."
            ) from error
        self.images_seen = state["images_seen"]
        if processes.RANK == 0:
            # Those of an epoch that was not committed would have the numbers of this one.
            weights.save_networks(self.folder, state["networks"], self.images_seen)
            runs.discard_after(runs.open_run(self.folder), state["epoch"], self.images_seen)
        return state["epoch"]

    def restore_or_begin(self) -> int:
        """The last committed epoch, restored; 0 when there is none."""
        state = processes.on_rank_0(self.committed)
        if state is not None:
            return self.restore(state)
        processes.broadcast(self.model.parameters())
        return 0

    def committed(self) -> dict[str, Any] | None:
        """The state of the last committed epoch, or an empty folder to begin in."""
        run = runs.open_run(self.folder)
        if run.resumable() or any(line["epoch"] > 0 for line in run.metrics()):
            return weights.load_state(self.folder)
        runs.discard_after(run, -1, -1)
        return None

    def seed(self, epoch: int) -> int:
        """The seed of an epoch's randomness: a function of the recipe's and the epoch's number."""
        words = np.random.SeedSequence([self.recipe.seed, epoch]).generate_state(1, np.uint64)
        return int(words[0]) >> 1

    def report(self, epoch: int, losses: dict[str, float]) -> None:
        """Shows the losses so far. Raises GenmodelsError when one is no number any more."""
        check_finite(epoch, losses)
        self.progress.show(epoch, losses)

    def line(self, split: str, epoch: int, means: dict[str, float], seconds: float) -> dict:
        # Both splits: the last step of an epoch may spoil what only the held-out images show.
        check_finite(epoch, means)
        count = len(self.train if split == "train" else self.val)
        return {
            "epoch": epoch,
            "split": split,
            "images_seen": self.images_seen,
            **means,
            "seconds": round(seconds, 3),
            "images_per_second": round(count / seconds, 1),
        }

    def store_latents(self) -> None:
        """What pages need of the posteriors where the data set is not at hand."""
        if hasattr(self.shown, "encode"):
            self.shown.eval()
            plain = posteriors.summary(self.shown, self.train, self.val)
            posteriors.store(runs.open_run(self.folder), plain)

    def finish(self) -> None:
        """What is left to do, and to count, once the last epoch is committed."""
        self.store_latents()
        *others, last = runs.open_run(self.folder).metrics()
        seconds = round(last.get("other_seconds", 0.0) + self.uncounted(), 3)
        runs.write_metrics(self.folder, [*others, last | {"other_seconds": seconds}])


def check_finite(epoch: int, losses: dict[str, float]) -> None:
    """Raises GenmodelsError when a loss is no number any more."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise GenmodelsError(
                f"the {name.replace('_', ' ')} became {value} in epoch {epoch}; the weights of "
                "the epoch before are kept, try a smaller learning rate."
            )


class Means:
    """Means over images, summed where the losses are, so that no step waits for a number."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sums = torch.zeros(0)
        """float64 where there is that: of each quantity, and last how many images there were."""

    def add(self, measured: dict[str, Tensor], count: int) -> None:
        """Raises GenmodelsError for other quantities than those of the first time."""
        values = list(measured.values())
        values = torch.stack([*values, torch.ones_like(values[0])])
        if not self.names:
            self.names = list(measured)
            kind = torch.float32 if values.device.type == "mps" else torch.float64
            self.sums = torch.zeros_like(values, dtype=kind)
        if list(measured) != self.names:
            raise GenmodelsError(
                f"one step measures {', '.join(self.names)}, another {', '.join(measured)}; let "
                "the model's `turns` measure the same in every step."
            )
        self.sums.add_(values, alpha=count)

    def clear(self) -> None:
        self.sums.zero_()

    def add_up(self) -> None:
        """Makes them means over the images of all processes."""
        processes.total(self.sums)

    def result(self) -> dict[str, float]:
        *sums, count = self.sums.tolist()
        return {name: value / count for name, value in zip(self.names, sums, strict=True)}


def fit(
    name: str,
    recipe: Recipe,
    folder: Path,
    *,
    device: Device = "auto",
    data_folder: Path | None = None,
    resume: bool = False,
    title: str = "",
    sync_batch_norm: bool = False,
) -> None:
    """Trains a recipe into a run folder, or goes on with the training there.

    Of several processes each calls this, inside `distributed.group`, with the same arguments.
    Raises GenmodelsError for what the caller can mend, and Stopped when asked to end.
    """
    recipe.check()
    first = processes.RANK == 0
    if recipe.pictures is not None:
        pictures_set = recipe.pictures  # A set there is not leaves no run behind.
        processes.on_rank_0(lambda: own_pictures.open_set(pictures_set) and None)
    # One of its own for each process, but all of one kind: they could not exchange gradients.
    place = processes.on_rank_0(lambda: choose_device(device))
    with processes.together(), enough_memory():
        place = processes.own_device(place)
        model = build_to_train(recipe, place)
        model.compute_type = getattr(torch, choose_precision(recipe, place))
        if recipe.network != "linear":
            model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if sync_batch_norm:
            synchronise_batch_norm(model)
        lock = take_lock(folder, resume) if first else contextlib.nullcontext()

    def prepare(progress: Progress) -> tuple[image_tensors.Images, image_tensors.Images]:
        """Records what will be done and reads the images."""
        info = provenance.describe(name, recipe, model, title)
        if resume:
            info = runs.change_info(folder, **provenance.continued(runs.open_run(folder), info))
        else:
            runs.write_json(folder / "recipe.json", info)
        train = datasets.learnt_from(runs.open_run(folder), data_folder, progress.preparing)
        val = datasets.of(recipe, "val", data_folder, progress.preparing)
        check_last_batch(model, len(train), recipe.batch_size)
        provenance.warn_of_other_data(info, train, val)
        origin = {"train": provenance.of_images(train), "val": provenance.of_images(val)}
        runs.change_info(folder, data=origin)
        return train, val

    with lock:
        processes.on_rank_0(lambda: check_place(recipe, folder, resume))
        if first and not (resume and runs.open_run(folder).status().state == "waiting"):
            # That of the training before. A run that waits was cleared of it when it was queued,
            # and may have been told to stop since.
            (folder / "stop").unlink(missing_ok=True)
        with watch(folder, recipe.epochs, silent=not first) as progress, enough_memory():
            train, val = processes.on_rank_0(lambda: prepare(progress))
            with processes.together():
                trainer = Trainer(folder, recipe, model, train, val, progress)
            try:
                trainer.run(trainer.restore_or_begin())
            except Stopped:
                if first and runs.open_run(folder).resumable():
                    progress.epoch = trainer.restore(weights.load_state(folder))
                    progress.bar.n = trainer.images_seen
                    trainer.store_latents()
                raise
            if first:
                trainer.finish()
        if first:
            (folder / "state.pt").unlink()


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Raises GenmodelsError where the memory is not enough for what is done inside."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        sentence = (
            "the memory of this machine, or of its GPU, is not enough for this training; choose a "
            "smaller batch size or smaller networks."
        )
        if processes.WORLD > 1:  # The others wait for this process until torchrun ends them.
            error.add_note(sentence)
            raise
        raise GenmodelsError(sentence) from error


def is_out_of_memory(error: BaseException) -> bool:
    """On a processor torch raises no error of its own for it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return bool(re.search("not enough memory|can't allocate memory|out of memory", str(error)))


def check_place(recipe: Recipe, folder: Path, resume: bool) -> None:
    """Raises RunError or RecipeError where the folder, now locked, is not what it was when the
    training was asked for: another process may have had it meanwhile."""
    if not resume:
        if any(path.name != "lock" for path in folder.iterdir()):
            raise RunError(f"{folder} is not empty any more; choose another folder.")
        return
    run = runs.open_run(folder)
    run.check_resume(recipe.epochs)
    if dataclasses.replace(run.recipe, epochs=recipe.epochs) != recipe:
        raise RunError(f"{run.id} is of another recipe by now; look at it and resume it again.")


def build_to_train(recipe: Recipe, device: torch.device) -> Model:
    """The untrained model of a recipe, with the classifier that its loss asks, where it does.

    Raises EvaluationError where that classifier is missing.
    """
    model = build(recipe).to(device)
    if getattr(recipe, "feature_weight", 0.0):
        judged: Any = model
        judged.features = features.stages(recipe.dataset, device)
    return model


def take_lock(folder: Path, resume: bool) -> contextlib.AbstractContextManager:
    """Locks the run of a folder, which it makes unless to resume. Raises RunError."""
    try:
        if resume:
            runs.open_run(folder)  # A run that was deleted does not come back as a folder.
        else:
            folder.mkdir(parents=True, exist_ok=True)
        return runs.lock(folder).acquire(timeout=2)
    except Timeout as error:
        raise RunError(f"{folder} is being trained already; wait, or stop it first.") from error
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error}); choose another folder.") from error


def synchronise_batch_norm(model: Model) -> None:
    """Has batches normalised over all processes. Raises RecipeError where torch cannot do it."""
    if model.device.type != "cuda":
        raise RecipeError(
            "torch synchronises batch normalisation between GPUs only; leave out --sync-batch-norm."
        )
    if processes.WORLD > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


def check_last_batch(model: Model, count: int, batch_size: int) -> None:
    """Raises RecipeError where batch normalisation would meet one image alone, or none."""
    needs = {nn.BatchNorm1d: 2, nn.SyncBatchNorm: 1}
    needed = max(needs.get(type(layer), 0) for layer in model.modules())
    recipes.check_last_batch(count, batch_size, needed, processes.WORLD, model.unit)
