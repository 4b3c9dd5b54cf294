import gzip
import os
import shutil
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import torchvision.datasets
from conftest import WNIDS, write_idx, write_imagenette, write_mnist
from PIL import Image

from genmodels import runs
from genmodels.data import datasets, image_tensors
from genmodels.errors import DataError
from genmodels.training import provenance


@pytest.fixture
def no_network(monkeypatch):
    def fail(*arguments, **options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fail)


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Sizes and times of all that a folder holds."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))
    }


def fitted_by_hand(path: Path) -> np.ndarray:
    """An independent way to what `data.fit` gives: [3, 64, 64]."""
    image = Image.open(path).convert("RGB")
    width, height = (side * 64 // min(image.size) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((image.width - 64) / 2), round((image.height - 64) / 2)
    return np.asarray(image.crop((left, top, left + 64, top + 64))).transpose(2, 0, 1)


def jpegs(folder: Path, split: str) -> list[tuple[Path, int]]:
    root = folder / "imagenette2-160" / split
    return [(path, n) for n, wnid in enumerate(WNIDS) for path in sorted((root / wnid).iterdir())]


def test_mnist_is_read_as_its_files_say(synthetic_data):
    raw = synthetic_data / "MNIST" / "raw"
    parts: list[tuple[datasets.Split, str, int]] = [("train", "train", 320), ("val", "t10k", 80)]
    for split, part, count in parts:
        images = datasets.load("mnist", split, synthetic_data)
        pixels = np.frombuffer((raw / f"{part}-images-idx3-ubyte").read_bytes()[16:], np.uint8)
        labels = np.frombuffer((raw / f"{part}-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
        assert (images.pixels.dtype, images.labels.dtype) == (torch.uint8, torch.int64)
        assert np.array_equal(images.pixels.numpy(), pixels.reshape(count, 1, 28, 28))
        assert images.labels.tolist() == labels.tolist()
        assert split in images.source


def test_imagenette_of_all_sizes_and_of_grey_becomes_rgb_of_64(synthetic_data, cache_folder):
    files = jpegs(synthetic_data, "train")
    images = datasets.load("imagenette", "train", synthetic_data)
    assert (images.pixels.dtype, images.pixels.shape) == (torch.uint8, (100, 3, 64, 64))
    assert images.labels.tolist() == [label for _, label in files]
    grey = 0
    for pixels, (path, _) in zip(images.pixels.numpy(), files, strict=True):
        assert np.array_equal(pixels, fitted_by_hand(path)), path
        grey += Image.open(path).mode == "L" and (pixels == pixels[:1]).all()
    assert grey == 30


def test_imagenette_is_prepared_once_and_read_again_from_the_cache(synthetic_data, cache_folder):
    told = []
    first = datasets.load(
        "imagenette", "val", synthetic_data, lambda *progress: told.append(progress)
    )
    assert told[-1] == ("Preparing Imagenette (val)", 30, 30)
    (cached,) = (cache_folder / "data").iterdir()
    made = cached.stat().st_mtime_ns
    told.clear()
    again = datasets.load(
        "imagenette", "val", synthetic_data, lambda *progress: told.append(progress)
    )
    assert told == []
    assert cached.stat().st_mtime_ns == made
    assert torch.equal(first.pixels, again.pixels)
    assert torch.equal(first.labels, again.labels)
    assert (first.fingerprint, first.source) == (again.fingerprint, again.source)


@pytest.mark.parametrize("damage", ["empty", "cut", "a pixel", "a folder's worth of junk"])
def test_a_damaged_cache_is_made_again(damage, synthetic_data, cache_folder):
    whole = datasets.load("imagenette", "val", synthetic_data)
    (cached,) = (cache_folder / "data").iterdir()
    content = bytearray(cached.read_bytes())
    if damage == "empty":
        content = bytearray()
    elif damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "a pixel":
        content[-1000] ^= 1
    else:
        content = bytearray(b"junk" * 1000)
    cached.write_bytes(content)
    again = datasets.load("imagenette", "val", synthetic_data)
    assert torch.equal(again.pixels, whole.pixels)
    assert again.fingerprint == whole.fingerprint
    told = []
    datasets.load("imagenette", "val", synthetic_data, lambda *progress: told.append(progress))
    assert told == []


def test_the_data_folder_may_be_read_only(synthetic_data, cache_folder, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(synthetic_data, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(folder)
    for dataset in ("mnist", "imagenette"):
        assert len(datasets.load(dataset, "val", folder)) > 0
    assert snapshot(folder) == before  # Root may write all the same, and must not.
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)


def test_the_fingerprint_changes_with_a_pixel_a_label_and_the_limit(synthetic_data, tmp_path):
    images = datasets.load("mnist", "val", synthetic_data)
    assert datasets.load("mnist", "val", synthetic_data).fingerprint == images.fingerprint
    assert datasets.load("mnist", "train", synthetic_data).fingerprint != images.fingerprint
    pixels, labels = images.pixels[:, 0].numpy().copy(), images.labels.numpy().astype(np.uint8)
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(synthetic_data, tmp_path, dirs_exist_ok=True)
    prints = {images.fingerprint, images.first(10).fingerprint, images.first(11).fingerprint}
    pixels[40, 14, 14] ^= 1
    write_idx(raw / "t10k-images-idx3-ubyte", pixels)
    prints.add(datasets.load("mnist", "val", tmp_path).fingerprint)
    pixels[40, 14, 14] ^= 1
    labels[0] = (labels[0] + 1) % 10
    write_idx(raw / "t10k-images-idx3-ubyte", pixels)
    write_idx(raw / "t10k-labels-idx1-ubyte", labels)
    prints.add(datasets.load("mnist", "val", tmp_path).fingerprint)
    assert len(prints) == 5


def test_a_limit_draws_images_of_all_classes_by_a_seed_and_says_so(synthetic_data):
    images = datasets.load("imagenette", "train", synthetic_data)  # Stored class by class.
    few = images.first(20)
    assert few.labels.bincount().tolist() == [2] * 10
    assert few.classes == images.classes
    assert few.source == f"{images.source}, 20 drawn over the classes by seed 0"
    assert few.fingerprint == image_tensors.fingerprint(few.pixels, few.labels)
    assert images.first(20).fingerprint == few.fingerprint
    assert len({images.first(20, seed).fingerprint for seed in range(5)}) == 5
    # Pixels and labels stay together, no image comes twice, fewer are a part of more.
    places = [[torch.equal(own, one) for one in images.pixels].index(True) for own in few.pixels]
    assert sorted(set(places)) == places
    assert torch.equal(images.labels[places], few.labels)
    fewer = images.first(7)
    assert len(fewer.labels.unique()) == 7
    assert all(any(torch.equal(one, own) for own in few.pixels) for one in fewer.pixels)
    assert images.first(None) is images
    assert images.first(100) is images


def test_a_draw_keeps_the_shares_of_the_classes_and_leaves_out_none():
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    pixels = torch.arange(1000).view(-1, 1, 1, 1).to(torch.uint8)
    images = image_tensors.Images(pixels, labels, "", "made here", ("many", "some", "few"))
    assert images.first(3).labels.bincount().tolist() == [1, 1, 1]
    assert images.first(100).labels.bincount().tolist() == [90, 9, 1]
    assert images.first(999).labels.bincount().sum() == 999


def test_what_a_run_learns_from_is_what_it_recorded(synthetic_data, make_run):
    """Runs of before there was a draw took the first images."""
    whole = datasets.load("mnist", "train", synthetic_data)
    run = make_run("run", train_limit=7, seed=3)
    drawn = datasets.learnt_from(run, synthetic_data)
    assert drawn.fingerprint == whole.first(7, seed=3).fingerprint
    source = f"{whole.source}, the first 7"
    origin = {"images": 7, "fingerprint": "0" * 64, "source": source}
    runs.change_info(run.path, data={"train": origin})
    before = datasets.learnt_from(runs.open_run(run.path), synthetic_data)
    assert torch.equal(before.pixels, whole.pixels[:7])
    assert torch.equal(before.labels, whole.labels[:7])
    assert before.source == source
    runs.change_info(run.path, data={"train": provenance.of_images(drawn)})
    again = datasets.learnt_from(runs.open_run(run.path), synthetic_data)
    assert again.fingerprint == drawn.fingerprint
    for limit in (None, 320, 5000):
        every = datasets.learnt_from(make_run(f"run-{limit}", train_limit=limit), synthetic_data)
        assert every.fingerprint == whole.fingerprint


@pytest.mark.parametrize("dataset", ["mnist", "imagenette"])
def test_missing_data_without_a_network_name_the_folder_and_both_ways(
    dataset, no_network, tmp_path
):
    folder = tmp_path / "data"
    for _ in range(2):  # What a failed download leaves behind changes nothing.
        with pytest.raises(DataError) as caught:
            datasets.load(dataset, "train", folder)
        sentence = str(caught.value)
        assert f"is not in {folder} and could not be downloaded" in sentence
        assert "connect to the network and try again, or copy" in sentence
        assert "\n" not in sentence
        assert not datasets.available(dataset, folder)


def test_a_data_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(DataError, match="data is a file; name the folder"):
        datasets.load("mnist", "train", tmp_path / "data")
    with pytest.raises(DataError, match="copy the four idx files"):
        datasets.load("mnist", "train", tmp_path / "data" / "below")


def as_kept(raw: Path, how: str) -> None:
    """Keeps MNIST's files as people have them."""
    for path in sorted(raw.iterdir()):
        content = path.read_bytes()
        path.unlink()
        if how == "gz":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
        elif how == "dots":
            path.with_name(path.name.replace("-idx", ".idx")).write_bytes(content)
        elif how == "folders":
            path.mkdir()
            (path / path.name).write_bytes(content)
        elif how == "beside":
            (raw.parent.parent / path.name).write_bytes(content)
        else:
            dotted = path.name.replace("-idx", ".idx")
            path.with_name(f"{dotted}.gz").write_bytes(gzip.compress(content))


@pytest.mark.parametrize("how", ["gz", "dots", "folders", "beside", "dotted gz"])
def test_mnist_is_read_however_its_files_are_kept(how, no_network, tmp_path):
    write_mnist(tmp_path, train=30, val=20)
    expected = datasets.load("mnist", "val", tmp_path)
    as_kept(tmp_path / "MNIST" / "raw", how)
    assert datasets.available("mnist", tmp_path)
    images = datasets.load("mnist", "val", tmp_path)
    assert torch.equal(images.pixels, expected.pixels)
    assert images.fingerprint == expected.fingerprint


LOGIN = b"<html>please log in</html>"


def left_behind(folder: Path, dataset: str, what: str) -> None:
    """What a download leaves that was cut or answered by a captive portal."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    if dataset == "imagenette":
        (folder / "imagenette2-160.tgz").write_bytes(LOGIN)
        (folder / "imagenette2-160").mkdir()
        (folder / "imagenette2-160" / ".DS_Store").touch()
    elif what == "a login page":
        (raw / "train-images-idx3-ubyte.gz").write_bytes(LOGIN)
    elif what == "a cut archive":
        content = gzip.compress(np.random.default_rng(0).bytes(9000))
        (raw / "train-images-idx3-ubyte.gz").write_bytes(content[:5000])
    else:
        write_mnist(folder / "whole", train=30, val=20)
        for path in (folder / "whole" / "MNIST" / "raw").glob("train*"):
            path.rename(raw / path.name)
        if what == "a cut file":
            images = raw / "train-images-idx3-ubyte"
            images.write_bytes(images.read_bytes()[:-5000])
        shutil.rmtree(folder / "whole")


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """Makes torchvision's downloads copies of small data sets; where they went."""
    source = tmp_path / "source"
    write_mnist(source, train=30, val=20)
    write_imagenette(source, train=2, val=1)
    went = []

    def mnist(root, *arguments, **options):
        shutil.copytree(source / "MNIST", Path(root) / "MNIST")
        went.append(Path(root))

    def imagenette(root, *arguments, **options):
        shutil.copytree(source / "imagenette2-160", Path(root) / "imagenette2-160")
        went.append(Path(root))

    imagenette._WNID_TO_CLASS = torchvision.datasets.Imagenette._WNID_TO_CLASS  # type: ignore
    monkeypatch.setattr(torchvision.datasets, "MNIST", mnist)
    monkeypatch.setattr(torchvision.datasets, "Imagenette", imagenette)
    return went


@pytest.mark.parametrize(
    ("dataset", "what"),
    [
        ("mnist", "a login page"),
        ("mnist", "a cut archive"),
        ("mnist", "a cut file"),
        ("mnist", "two whole files"),
        ("imagenette", "a login page"),
    ],
)
def test_what_a_cut_download_left_does_not_block_the_next(
    dataset, what, downloads, cache_folder, tmp_path
):
    folder = tmp_path / "data"
    left_behind(folder, dataset, what)
    assert not datasets.available(dataset, folder)
    images = datasets.load(dataset, "train", folder)
    assert len(images) == (30 if dataset == "mnist" else 20)
    assert len(downloads) == 1 and downloads[0] != folder
    assert not downloads[0].exists()
    assert datasets.available(dataset, folder)
    datasets.load(dataset, "val", folder)
    assert len(downloads) == 1


def test_files_of_another_data_set_are_not_completed_with_those_of_mnist(downloads, tmp_path):
    folder = tmp_path / "data"
    write_mnist(folder, train=60, val=20)
    raw = folder / "MNIST" / "raw"
    (raw / "t10k-labels-idx1-ubyte").unlink()
    before = snapshot(raw)
    with pytest.raises(DataError, match="is another data set's than MNIST's"):
        datasets.load("mnist", "train", folder)
    assert snapshot(raw) == before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), "refused"),
        (RuntimeError("File not found or corrupted."), "does the network ask you to log in"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
@pytest.mark.parametrize("dataset", ["mnist", "imagenette"])
def test_the_cause_of_a_failed_download_is_told(error, words, dataset, monkeypatch, tmp_path):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", fail)
    monkeypatch.setattr(torchvision.datasets.imagenette, "download_and_extract_archive", fail)
    with pytest.raises(DataError, match=words) as caught:
        datasets.load(dataset, "train", tmp_path)
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_dir()]


def test_an_incomplete_mnist_names_what_is_missing(no_network, tmp_path):
    write_mnist(tmp_path, train=30, val=20)
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="lacks whole files train-images-idx3-ubyte and"):
        datasets.load("mnist", "val", tmp_path)


@pytest.mark.parametrize(
    "junk",
    [
        "train/n01440764/._a.JPEG",
        "train/n01440764/.ipynb_checkpoints/a.JPEG",
        "train/n01440764/__MACOSX/a.JPEG",
        "train/__MACOSX/a.JPEG",
        "train/.ipynb_checkpoints/a.JPEG",
        "__MACOSX/a.JPEG",
        ".DS_Store",
    ],
)
def test_what_systems_put_into_imagenette_is_left_out(junk, cache_folder, tmp_path):
    write_imagenette(tmp_path, train=2, val=1)
    path = tmp_path / "imagenette2-160" / junk
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"junk")
    images = datasets.load("imagenette", "train", tmp_path)
    assert images.labels.bincount().tolist() == [2] * 10


def test_linked_folders_of_imagenette_are_read_and_unreadable_ones_told(
    cache_folder, tmp_path, monkeypatch
):
    write_imagenette(tmp_path, train=2, val=1)
    folder = tmp_path / "imagenette2-160" / "train" / WNIDS[3]
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert len(datasets.load("imagenette", "train", tmp_path)) == 20
    scan = os.scandir

    def scandir(path):
        if str(path).endswith(WNIDS[3]):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=f"Permission denied.*{WNIDS[3]}"):
        datasets.load("imagenette", "train", tmp_path)


def test_images_that_are_missing_from_imagenette_are_told(cache_folder, tmp_path, caplog):
    write_imagenette(tmp_path, train=2, val=1)
    images = datasets.load("imagenette", "train", tmp_path)
    assert images.source.endswith("20 of 9,469 images")
    assert "Imagenette is not complete, 20 of 9,469 images" in caplog.text
    caplog.clear()
    assert datasets.load("imagenette", "train", tmp_path).source == images.source
    assert "20 of 9,469" in caplog.text


@pytest.mark.parametrize(
    "damage",
    ["a file is missing", "a file is cut", "a header is cut", "labels of others", "other sizes"],
)
def test_an_incomplete_mnist_is_told_in_a_sentence(damage, no_network, tmp_path):
    write_mnist(tmp_path, train=30, val=20)
    raw = tmp_path / "MNIST" / "raw"
    images, labels = raw / "train-images-idx3-ubyte", raw / "train-labels-idx1-ubyte"
    if damage == "a file is missing":
        labels.unlink()
    elif damage == "a file is cut":
        images.write_bytes(images.read_bytes()[:-5000])
    elif damage == "a header is cut":
        images.write_bytes(images.read_bytes()[:3])
    elif damage == "labels of others":
        shutil.copy(raw / "t10k-labels-idx1-ubyte", labels)
    else:
        write_idx(images, np.zeros((30, 32, 32), np.uint8))
    with pytest.raises(DataError) as caught:
        datasets.load("mnist", "train", tmp_path)
    assert str(raw) in str(caught.value)
    assert "copy the four idx files" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["no val", "a class is missing", "no images", "other folder"])
def test_an_incomplete_imagenette_is_told_in_a_sentence(damage, cache_folder, tmp_path):
    write_imagenette(tmp_path, train=1, val=1)
    root = tmp_path / "imagenette2-160"
    if damage == "no val":
        shutil.rmtree(root / "val")
    elif damage == "a class is missing":
        shutil.rmtree(root / "val" / WNIDS[4])
    elif damage == "no images":
        shutil.rmtree(root / "val" / WNIDS[4])
        (root / "val" / WNIDS[4]).mkdir()
    else:
        (root / "val" / "n00000000").mkdir()
    with pytest.raises(DataError) as caught:
        datasets.load("imagenette", "val", tmp_path)
    assert f"{root} holds no complete Imagenette" in str(caught.value)
    assert "copy the folders train and val" in str(caught.value)
    assert not list(cache_folder.rglob("*.safetensors"))


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_jpeg_is_named(damage, cache_folder, tmp_path):
    write_imagenette(tmp_path, train=1, val=2)
    path = jpegs(tmp_path, "val")[11][0]
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "text": b"JPEG", "empty": b""}[damage])
    with pytest.raises(DataError, match=f"{path} is damaged"):
        datasets.load("imagenette", "val", tmp_path)
    assert not list(cache_folder.rglob("*.safetensors"))


def test_floats_are_the_bytes_over_255():
    pixels = torch.arange(256, dtype=torch.uint8)
    floats = image_tensors.to_float(pixels)
    assert floats.dtype == torch.float32
    assert torch.equal(floats, torch.arange(256) / 255)
    assert pixels[255] == 255


@pytest.mark.parametrize(("count", "size"), [(10, 3), (9, 3), (2, 5), (1, 1)])
def test_batches_cover_everything_once(count, size):
    parts = [list(range(count))[part] for part in image_tensors.batches(count, size)]
    assert [number for part in parts for number in part] == list(range(count))
    assert all(len(part) == size for part in parts[:-1])


def test_the_real_mnist_is_the_original(data_folder):
    train, val = (datasets.load("mnist", split, data_folder) for split in ("train", "val"))
    assert (len(train), len(val)) == (60_000, 10_000)
    # Published: mean and standard deviation of the training pixels, first labels.
    pixels = train.pixels.double() / 255
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (0.1307, 0.3081)
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert val.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_the_real_imagenette_has_all_its_images(data_folder):
    """Through the repository's own cache, which this fills if need be."""
    images = datasets.load("imagenette", "val", data_folder)
    assert images.pixels.shape == (3925, 3, 64, 64)
    files = jpegs(data_folder, "val")
    assert images.labels.tolist() == [label for _, label in files]
    for index in range(0, 3925, 157):
        assert np.array_equal(images.pixels[index].numpy(), fitted_by_hand(files[index][0]))
