"""Sets of own pictures: what is taken, what is left out, and what is refused in a sentence."""

import dataclasses
import gc
import io
import json
import os
import re
import shutil
import stat
import struct
import threading
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import serving, settled
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from genmodels import evaluation, paths, recipes, runs
from genmodels.data import datasets, image_tensors, own_pictures
from genmodels.errors import DataError, RecipeError
from genmodels.evaluation import EvaluationError
from genmodels.latents import posteriors
from genmodels.models import weights
from genmodels.recipes import RECIPES
from genmodels.runs import Run, Status
from genmodels.training.command import main
from genmodels.ui import navigation, shell, work
from genmodels.ui import own_pictures as view

HEIC = b"\0\0\0\x18ftypheic" + bytes(99)


@pytest.fixture(autouse=True)
def places(runs_folder, cache_folder, synthetic_data, monkeypatch):
    monkeypatch.setenv("GENMODELS_DATA", str(synthetic_data))


def picture(number: int, size: tuple[int, int] = (40, 30), kind: str = "PNG", **options) -> bytes:
    """A coarse picture, another one for every number."""
    coarse = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(size).save(buffer, kind, **options)
    return buffer.getvalue()


def many(count: int = 20, folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{number:03d}.png": picture(number) for number in range(count)}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def counted(made: own_pictures.PictureSet | own_pictures.Look) -> dict[str, int]:
    """How many files were left out for each reason."""
    return {found.reason: found.count for found in made.left_out}


def everything_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def own(set_id: str, name: str = "vae-mnist", **changes) -> recipes.Recipe:
    return dataclasses.replace(recipes.named(name), pictures=set_id, **changes)


def refused(file: io.BytesIO, runs_folder: Path, name: str = "cats.zip") -> str:
    """The sentence with which a zip is refused; nothing of it stays."""
    with pytest.raises(DataError) as caught:
        own_pictures.from_zip(file, name)
    assert everything_in(runs_folder) == []
    assert own_pictures.list_sets() == []
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_a_zip_becomes_a_set_at_both_shapes_in_two_splits(runs_folder):
    told = []
    made = own_pictures.from_zip(
        zipped(many(30)), "Süße Katzen (2).zip", lambda *progress: told.append(progress)
    )
    assert made.id.startswith("sue-katzen-2-")
    assert (made.title, made.classes, made.count) == (
        "Süße Katzen (2)",
        ("Süße Katzen (2)",),
        30,
    )
    assert made.about == "30 pictures"
    assert told[-1] == ("Preparing the pictures", 30, 30)
    assert own_pictures.list_sets() == [made] == [own_pictures.open_set(made.id)]
    for name, shape in (("vae-mnist", (1, 28, 28)), ("vae-imagenette", (3, 64, 64))):
        train, val = (datasets.of(own(made.id, name), split) for split in ("train", "val"))
        assert (train.pixels.shape, val.pixels.shape) == ((27, *shape), (3, *shape))
        assert (train.pixels.dtype, train.labels.dtype) == (torch.uint8, torch.int64)
        assert train.classes == made.classes
        assert "own pictures" in train.source
        alike = {bytes(image.numpy().tobytes()) for image in torch.cat([train.pixels, val.pixels])}
        assert len(alike) == 30
    assert list(runs.list_runs()) == [run for run in runs.list_runs() if run.id in RECIPES]


def test_pictures_are_fitted_as_those_of_the_data_sets_and_the_preview_shows_them():
    made = own_pictures.from_zip(zipped(many(20)), "cats.zip")
    rgb, grey = (
        [image_tensors.fit(Image.open(io.BytesIO(picture(number))), size) for number in range(20)]
        for size in (64, 28)
    )
    expected = {
        "imagenette": {np.asarray(image).tobytes() for image in rgb},
        "mnist": {np.asarray(image.convert("L")).tobytes() for image in grey},
    }
    for dataset, shape in (("imagenette", (64, 64, 3)), ("mnist", (28, 28, 1))):
        shown = own_pictures.preview(made.id, dataset)
        assert shown.shape == (18, *shape)
        assert shown.dtype == np.uint8
        assert {image.tobytes() for image in shown} <= expected[dataset]
        trained = datasets.of(own(made.id, f"vae-{dataset}"), "train").pixels
        assert np.array_equal(shown, trained.permute(0, 2, 3, 1).numpy())


def test_the_same_pictures_are_prepared_once(tmp_path):
    made = own_pictures.from_zip(zipped(many()), "cats.zip")
    before = {path: path.stat().st_mtime_ns for path in everything_in(made.folder)}
    assert own_pictures.from_zip(zipped(many()), "cats.zip") == made
    assert {path: path.stat().st_mtime_ns for path in everything_in(made.folder)} == before
    assert own_pictures.from_zip(zipped(many(21)), "cats.zip").id != made.id
    assert len(own_pictures.list_sets()) == 2
    other = zipped(many(), zipfile.ZIP_STORED)
    assert own_pictures.from_zip(other, "cats.zip") == made
    assert own_pictures.from_folder(written(tmp_path / "cats", many())) == made


def test_a_folder_becomes_a_set_with_its_folders_as_classes(tmp_path):
    files = many(10, "pets/cat/") | many(12, "pets/dog/") | {"pets/dog/notes.txt": b"good"}
    folder = written(tmp_path / "My pets", files)
    made = own_pictures.from_path(folder)
    assert (made.title, made.classes, made.count) == ("My pets", ("cat", "dog"), 22)
    assert made.about == "22 pictures in 2 classes; left out: 1 × not a picture"
    splits = [datasets.of(own(made.id), split) for split in ("train", "val")]
    assert torch.cat([images.labels for images in splits]).bincount().tolist() == [10, 12]
    assert own_pictures.from_path(folder) == made
    (folder / "pets" / "cat" / "000.png").write_bytes(picture(99))
    assert own_pictures.from_path(folder).id != made.id


@pytest.mark.parametrize(("count", "classes"), [(1, 1), (2, 2), (100, 100), (101, 1)])
def test_two_to_a_hundred_folders_are_classes(count, classes):
    files = {f"{number % count}/{number}.png": picture(number) for number in range(101)}
    assert len(own_pictures.from_zip(zipped(files), "many.zip").classes) == classes


def test_pictures_of_every_format_mode_and_shape_are_taken(tmp_path):
    files = {f"{kind}.{kind}": picture(1, kind=kind) for kind in ("png", "webp", "gif", "bmp")}
    files |= {"a.jpg": picture(2, kind="jpeg"), "b.JPEG": picture(3, (2000, 1500), kind="jpeg")}
    files |= {"wide.png": picture(4, (5000, 1)), "tiny.png": picture(5, (1, 1))}
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "I;16"):
        image = Image.new(mode, (30, 40))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
        files[f"{mode[0]}{len(mode)}.{'jpg' if mode == 'CMYK' else 'png'}"] = buffer.getvalue()
    files["later.png"] = picture(6)
    made = own_pictures.from_path(written(tmp_path / "all", files))
    assert (made.count, made.left_out) == (len(files), ())


def test_transparent_pictures_lie_on_white_and_turned_ones_stand_upright():
    buffer = io.BytesIO()
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(buffer, "PNG")
    half = Image.new("L", (40, 40))
    half.paste(255, (0, 0, 20, 40))  # White on the left; on top once it is turned.
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    half.save(turned, "PNG", exif=exif)
    clear = [own_pictures.Entry(None, 0, lambda: io.BytesIO(buffer.getvalue()))]  # type: ignore
    stood = [own_pictures.Entry(None, 0, lambda: io.BytesIO(turned.getvalue()))]  # type: ignore
    pixels = {"mnist": np.empty((1, 1, 28, 28), np.uint8)}
    pixels["imagenette"] = np.empty((1, 3, 64, 64), np.uint8)
    assert own_pictures._prepare(pixels, clear, 0) == ""
    assert (pixels["imagenette"] == 255).all()
    assert own_pictures._prepare(pixels, stood, 0) == ""
    assert (pixels["mnist"][0, 0, :12] == 255).all()
    assert (pixels["mnist"][0, 0, 16:] == 0).all()


def test_what_is_no_picture_damaged_or_too_large_is_left_out_and_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(own_pictures, "PIXELS", 10_000)
    monkeypatch.setattr(own_pictures, "PICTURE_BYTES", 30_000)
    files = many(20)
    files |= {"notes.txt": b"x", ".DS_Store": b"x", "__MACOSX/._1.png": b"x", ".t/1.png": b"x"}
    files |= {"paper.png": b"%PDF-1.7 ...", "cut.png": picture(1)[:60], "empty.jpg": b""}
    files |= {"many.png": picture(2, (101, 100)), "long.bmp": picture(3, (99, 101), "BMP")}
    for made in (
        own_pictures.from_zip(zipped(files), "cats.zip"),
        own_pictures.from_path(written(tmp_path / "cats", files)),
    ):
        assert made.count == 20
        assert counted(made) == {
            own_pictures.HIDDEN: 3,
            own_pictures.NO_PICTURE: 1,
            "PDF": 1,
            own_pictures.DAMAGED: 2,
            own_pictures.TOO_LARGE: 2,
        }
        assert made.about.startswith("20 pictures; left out: ")
        assert "2 × too large" in made.about
        assert own_pictures.open_set(made.id) == made


def test_a_pdf_named_png_alone_is_refused(runs_folder):
    files = {f"{number}.png": b"%PDF-1.7\n%%EOF" for number in range(20)}
    sentence = refused(zipped(files), runs_folder)
    assert "cats holds 0 pictures" in sentence
    assert "at least 16; left out: 20 × PDF (export the pages as JPEG or PNG)." in sentence


def test_too_few_pictures_are_refused(runs_folder, tmp_path):
    assert "cats holds 15 pictures" in refused(zipped(many(15)), runs_folder)
    assert own_pictures.from_zip(zipped(many(16)), "cats.zip").count == 16
    with pytest.raises(DataError, match="few holds 15 pictures"):
        own_pictures.from_path(written(tmp_path / "few", many(15)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds 0 pictures"):
        own_pictures.from_path(tmp_path / "empty")


@pytest.mark.parametrize("source", ["nowhere", "nowhere/below", "file.png/below", "text.txt"])
def test_what_is_no_folder_and_no_zip_is_refused(source, tmp_path, runs_folder):
    (tmp_path / "file.png").write_bytes(picture(1))
    (tmp_path / "text.txt").write_text("no zip")
    with pytest.raises(DataError, match=r"there is no|no zip file|cannot be read"):
        own_pictures.from_path(tmp_path / source)
    assert everything_in(runs_folder) == []


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "no end", "directory"])
def test_a_damaged_zip_is_refused(damage, runs_folder):
    content = zipped(many()).getvalue()
    directory = content.rfind(b"PK\1\2")
    content = {
        "empty": b"",
        "text": b"PK but no zip",
        "cut": content[: len(content) // 2],
        "no end": content[:-22],
        "directory": content[:directory] + b"\xff" * 40 + content[directory + 40 :],
    }[damage]
    assert "is no zip file, or a damaged one" in refused(io.BytesIO(content), runs_folder)


def test_limits_are_checked_before_anything_is_decoded(monkeypatch, runs_folder):
    file = zipped(many(20))
    monkeypatch.setattr(own_pictures, "_prepare", None)  # Nothing calls it.
    for limit, value, complaint in (
        ("ZIP_BYTES", 1000, "cats.zip has 0 MB, and a zip may have 0"),
        ("ENTRIES", 19, "more than 19 files"),
        ("PICTURES", 19, "more than 19 pictures"),
        ("UNPACKED_BYTES", 1000, "MB unpacked"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(own_pictures, limit, value)
            assert complaint in refused(file, runs_folder)


def test_too_many_pictures_in_a_folder_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(own_pictures, "PICTURES", 19)
    with pytest.raises(DataError, match="more than 19 pictures"):
        own_pictures.from_path(written(tmp_path / "cats", many(20)))


def test_a_zip_bomb_is_never_unpacked(monkeypatch, runs_folder):
    bombs = {f"{number}.png": bytes(60 * own_pictures.MB) for number in range(2)}
    assert "2 × too large" in refused(zipped(bombs), runs_folder)
    bombs = {f"{number}.png": bytes(45 * own_pictures.MB) for number in range(3)}
    file = zipped(bombs)
    assert len(file.getvalue()) < own_pictures.MB
    monkeypatch.setattr(own_pictures, "UNPACKED_BYTES", 100 * own_pictures.MB)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was opened"))
    assert "more than 100 MB unpacked" in refused(file, runs_folder)


def test_a_bomb_that_lies_about_its_size_is_read_no_further(monkeypatch):
    """Its directory says 1,000 bytes, and so many are read."""
    monkeypatch.setattr(own_pictures, "PICTURE_BYTES", 20_000)
    bomb = picture(1)[:50] + bytes(own_pictures.MB)
    content = bytearray(zipped(many(20) | {"bomb.png": bomb}).getvalue())
    entry = content.rfind(b"PK\1\2")
    struct.pack_into("<I", content, entry + 24, 1000)
    made = own_pictures.from_zip(io.BytesIO(content), "cats.zip")
    assert (made.count, counted(made)) == (20, {own_pictures.DAMAGED: 1})


def test_a_picture_of_too_many_pixels_is_not_decoded(monkeypatch):
    image = io.BytesIO()
    Image.new("1", (20_000, 9000)).save(image, "PNG")  # Pillow only warns of so many.
    larger = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(larger, "PNG")
    files = many(16) | {"large.png": image.getvalue(), "larger.png": larger.getvalue()}
    decode, decoded = own_pictures.upright, []
    monkeypatch.setattr(
        own_pictures, "upright", lambda image: decoded.append(image.width) or decode(image)
    )
    made = own_pictures.from_zip(zipped(files), "cats.zip")
    assert (made.count, counted(made)) == (16, {own_pictures.TOO_LARGE: 2})
    assert decoded == [40] * 16


def test_paths_that_lead_out_and_links_are_left_out(tmp_path, runs_folder):
    files = many(20)
    outside = ("../../evil.png", "/tmp/evil.png", "a/../../evil.png", "..\\..\\evil.png")
    files |= {name: picture(50) for name in outside}
    file = zipped(files)
    with zipfile.ZipFile(file, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    before = set(everything_in(tmp_path))
    made = own_pictures.from_zip(file, "../../cats.zip")
    assert (made.count, made.classes) == (20, ("cats",))
    assert counted(made) == {"path out of the zip": 4, "link": 1}
    assert "../../evil.png" in made.left_out[0].names
    new = set(everything_in(tmp_path)) - before
    assert new and all(path.parent == made.folder for path in new)
    assert made.folder.parent == runs_folder / ".pictures"


def test_an_encrypted_zip_is_refused(runs_folder):
    content = bytearray(zipped(many()).getvalue())
    entry = content.find(b"PK\1\2")
    content[entry + 8] |= 1
    assert "is encrypted" in refused(io.BytesIO(content), runs_folder)


def test_compression_that_cannot_be_read_in_parts_is_refused(runs_folder):
    file = zipped(many(), zipfile.ZIP_BZIP2)
    assert "compressed in a rare way" in refused(file, runs_folder)


def test_names_that_are_no_text_do_no_harm():
    files = many(10, "\x07<b>*a*\n/") | many(10, "\u202e" + "x" * 300 + "/")
    made = own_pictures.from_zip(zipped(files), "\n\u202e.zip")
    assert made.id.startswith("pictures-")
    assert (made.title, made.classes) == ("pictures", ("<b>*a*", "x" * 60))
    assert own_pictures.open_set(made.id) == made


def unflagged(names: list[str], encoding: str) -> io.BytesIO:
    """A zip of pictures whose names are in an encoding that it does not tell."""
    stand_ins = {name.encode(encoding): number for number, name in enumerate(names)}
    files, real = {}, {}
    for raw, number in stand_ins.items():
        stand_in = f"Q{number:03d}".ljust(len(raw), "Z")
        files[stand_in], real[stand_in.encode()] = picture(number), raw
    content = zipped(files, zipfile.ZIP_STORED).getvalue()
    for stand_in, raw in real.items():
        content = content.replace(stand_in, raw)
    return io.BytesIO(content)


@pytest.mark.parametrize(
    ("encoding", "classes"),
    [
        ("utf-8", ("Hünde", "Kätzchen")),  # Finder's.
        ("cp437", ("Hünde", "Kätzchen", "Vögel")),
        ("cp437", ("Élan", "café")),
        ("cp1252", ("Hünde", "Kätzchen")),
        ("cp932", ("犬", "猫")),
        ("cp932", ("イヌ", "ねこ")),
        ("gbk", ("小狗", "猫咪")),
        ("cp866", ("кошки", "собаки")),
        ("ascii", ("cats", "dogs")),
    ],
)
def test_names_that_do_not_say_their_encoding_are_read(encoding, classes):
    names = [f"{classes[number % len(classes)]}/{number:02d}.png" for number in range(30)]
    look = own_pictures.look_through_zip(unflagged(names, encoding), "pets.zip")
    assert set(look.classes) == set(classes)
    assert sum(look.classes.values()) == 30


def named(*folders_: str) -> own_pictures.Look:
    """A look at pictures in these folders, ten in each."""
    files = {
        f"{folder}/{place}-{number}.png": picture(number)
        for place, folder in enumerate(folders_)
        for number in range(10)
    }
    return own_pictures.look_through_zip(zipped(files), "pets.zip")


LONG = "Abgabe Kurs Bildverarbeitung Wintersemester 2026 Gruppe Nord "


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        (("data/train", "data/test"), {"pets": 20}),
        (("Training", "Validation", "."), {"pets": 30}),
        (("cat/train", "cat/test", "dog/train", "dog/test"), {"cat": 20, "dog": 20}),
        (("train/cat", "val/cat", "train/dog"), {"cat": 20, "dog": 10}),
        (("train", "car", "bus"), {"bus": 10, "car": 10, "train": 10}),
        (("cat/images", "dog/images"), {"cat": 10, "dog": 10}),
        (("K\u00e4tzchen", "Ka\u0308tzchen", "Hund"), {"Hund": 10, "K\u00e4tzchen": 20}),
        (("Cats", "cats", "x/cats", "dogs"), {"cats": 30, "dogs": 10}),
        (("a", "A"), {"A": 10, "a": 10}),
        (
            tuple(f"{LONG}{number}_file_" for number in range(3)),
            {f"…{number}_file_": 10 for number in range(3)},
        ),
        (
            tuple(f"{LONG}{x}{LONG}{y}" for x, y in ("1a", "1b", "2a")),
            {f"{LONG}{x}{LONG}{y}": 10 for x, y in ("1a", "1b", "2a")},
        ),
    ],
)
def test_folders_that_are_the_same_are_one_class_and_others_are_not(given, classes):
    assert named(*given).classes == classes


def test_zips_in_a_zip_are_opened_but_not_those_in_them(tmp_path):
    inner = zipped(many(10)).getvalue()
    deeper = zipped({"deep.zip": inner, "x.png": picture(50)}).getvalue()
    files = {f"student {name}/term.zip": inner for name in "ab"}
    files |= {"student c/term.zip": deeper, "d/cut.zip": inner[:400], "e/essay.docx": inner}
    for look in (
        own_pictures.look_through_zip(zipped(files), "pets.zip"),
        own_pictures.look_through(written(tmp_path / "pets", files)),
    ):
        assert look.classes == {"student a": 10, "student b": 10, "student c": 1}
        told = {found.reason: found.names for found in look.left_out}
        assert told == {
            "zip in a zip": ("student c/term/deep.zip",),
            "damaged": ("d/cut.zip",),
            "archive": ("e/essay.docx",),
        }
        assert own_pictures.make(look).count == 21


def test_the_limits_hold_for_zips_in_a_zip_too(monkeypatch, runs_folder):
    file = zipped({f"{name}.zip": zipped(many(20)).getvalue() for name in "ab"})
    for limit, value, complaint in (
        ("ENTRIES", 41, "more than 41 files"),
        ("PICTURES", 39, "more than 39 pictures"),
        ("UNPACKED_BYTES", 50_000, "MB unpacked"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(own_pictures, limit, value)
            assert complaint in refused(file, runs_folder)


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a", "a.png", "a.tmp", "A.JPG"])
def test_what_a_picture_is_its_content_says(name):
    files = many(20) | {name: picture(50, kind="JPEG")}
    look = own_pictures.look_through_zip(zipped(files), "pets.zip")
    assert (look.count, look.left_out) == (21, ())
    assert own_pictures.make(look).count == 21


@pytest.mark.parametrize(
    ("name", "content", "reason", "advice"),
    [
        ("a.HEIC", HEIC, "HEIC", "iPhone"),
        ("a.jpg", HEIC, "HEIC", "iPhone"),
        ("a.avif", HEIC.replace(b"heic", b"avif"), "AVIF", "JPEG"),
        ("a.mov", HEIC.replace(b"heic", b"qt  "), "video", "frames"),
        ("a.webm", b"\x1aE\xdf\xa3" + bytes(99), "video", "frames"),
        ("a.avi", b"RIFF\0\0\0\0AVI " + bytes(99), "video", "frames"),
        ("a.tif", b"II*\0" + bytes(99), "TIFF", "PNG"),
        ("a.NEF", b"MM\0*" + bytes(99), "camera raw", "JPEG"),
        ("a.svg", b'<?xml version="1.0"?>\n<!-- x --><svg width="1">', "SVG", "PNG"),
        ("a.pdf", b"%PDF-1.7", "PDF", "pages"),
        ("a.psd", b"8BPS" + bytes(99), "Photoshop", "PNG"),
        ("a.jxl", b"\xff\x0a" + bytes(99), "JPEG XL", "PNG"),
        ("a.7z", b"7z\xbc\xaf" + bytes(99), "archive", "unpack"),
        ("a.txt", b"BM is how this text begins", "not a picture", ""),
        ("a.jpg", b"version https://git-lfs.github.com/spec/v1", "damaged", "copy again"),
        (".a.jpg.icloud", b"bplist", "in iCloud", "download"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(name, content, reason, advice):
    look = own_pictures.look_through_zip(zipped(many(20) | {name: content}), "pets.zip")
    (found,) = look.left_out
    assert (found.reason, found.count, found.names) == (reason, 1, (name,))
    assert advice in found.advice
    if reason in own_pictures.ADVICE and not name.startswith("."):
        with pytest.raises(own_pictures.UnfitPicture, match=r"read: .*\.|isn't a picture"):
            own_pictures.open_picture(content, 64)


def test_a_photo_of_48_megapixels_is_decoded_small():
    photo = io.BytesIO()
    Image.new("L", (8064, 6048), 90).save(photo, "JPEG", quality=20)
    opened = own_pictures.open_picture(photo.getvalue(), 256)
    assert opened.size == (1008, 756)
    held_whole = io.BytesIO()
    Image.new("L", (8064, 6248), 90).save(held_whole, "JPEG", quality=20, progressive=True)
    with pytest.raises(own_pictures.UnfitPicture, match="50 million pixels"):
        own_pictures.open_picture(held_whole.getvalue(), 256)


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def with_exif(*fields: bytes, tail: bytes = b"") -> bytes:
    """A JPEG of 40 x 30 pixels with these EXIF entries."""
    jpeg = picture(1, kind="JPEG")
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(fields))
    exif += b"".join(fields) + bytes(4) + tail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


TURNED = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (with_exif(TURNED), (30, 40)),
        (  # An unsigned fraction that is negative.
            with_exif(
                TURNED, struct.pack("<HHII", 0x011A, 10, 1, 38), tail=struct.pack("<ii", -1, 0)
            ),
            (30, 40),
        ),
        (with_exif(struct.pack("<HHIHH", 0x0112, 3, 1, 77, 0)), (40, 30)),
        (with_exif(struct.pack("<HHII", 0x0112, 2, 99, 9999)), (40, 30)),
        (
            picture(1)[:33] + chunk(b"eXIf", b"\0\x08\0\x02\x01\x12\0\x03") + picture(1)[33:],
            (40, 30),
        ),
        (
            picture(1)[:33]
            + chunk(b"zTXt", b"R\0\0" + zlib.compress(b"a" * 3 * 10**6))
            + picture(1)[33:],
            (40, 30),
        ),
        (
            picture(1)[:33]
            + chunk(b"iCCP", b"p\0\0" + zlib.compress(b"a" * 3 * 10**6))
            + picture(1)[33:],
            (40, 30),
        ),
    ],
)
def test_what_is_damaged_or_large_beside_the_pixels_does_no_harm(content, size):
    assert own_pictures.open_picture(content, 64).size == size
    assert own_pictures.from_zip(zipped(many(16) | {"a": content}), "cats.zip").count == 17


def test_strokes_on_transparent_ground_stand_out():
    for stroke, ground in (("white", 0), ("black", 255), ("red", 255), ("#fffde0", 0)):
        image = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
        image.paste(stroke, (20, 10, 30, 50))
        opened = own_pictures.upright(image).convert("L")
        assert opened.getpixel((0, 0)) == ground
        assert abs(opened.getpixel((25, 30)) - ground) > 150  # type: ignore


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_pictures_of_more_bits_are_scaled_by_those_that_are_used(bits):
    ramp = np.linspace(0, 2**bits - 1, 40 * 40).reshape(40, 40).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    opened = np.asarray(own_pictures.open_picture(buffer.getvalue(), 64), np.float64)
    assert abs(opened / 255 - ramp / (2**bits - 1)).max() < 0.01


def test_what_is_missing_from_a_folder_is_told_and_links_are_followed(tmp_path, monkeypatch):
    folder = written(tmp_path / "pets", many(10, "cat/") | many(10, "locked/"))
    (folder / "dog").symlink_to(written(tmp_path / "elsewhere", many(10)))
    (folder / "cat" / "round").symlink_to(folder)
    (folder / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "bird").mkdir()
    written(folder, {".ipynb_checkpoints/1.png": picture(1)})
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    look = own_pictures.look_through(folder)
    assert look.classes == {"cat": 10, "dog": 10}
    assert {found.reason: found.names for found in look.left_out} == {
        own_pictures.UNREADABLE: ("locked", "cat/gone.png"),
        "link in a circle": ("cat/round",),
        "empty folder": ("bird",),
        own_pictures.HIDDEN: (".ipynb_checkpoints",),
    }
    made = own_pictures.make(look)
    assert "2 × can't be opened" in made.about
    assert made.left_out == own_pictures.open_set(made.id).left_out


def test_a_fault_of_ours_is_not_taken_for_damage(monkeypatch):
    def fault(*arguments):
        raise AttributeError("a module is half made")

    monkeypatch.setattr(own_pictures, "fitted", fault)
    with pytest.raises(AttributeError):
        own_pictures.from_zip(zipped(many(20)), "cats.zip")


def test_copies_and_sets_too_small_to_be_measured_are_told_of():
    same = {f"{number}.png": picture(1) for number in range(40)}
    made = own_pictures.from_zip(zipped(same), "cats.zip")
    assert made.copies == own_pictures.open_set(made.id).copies == 39
    assert made.warnings[0].startswith("39 of the 40 pictures are copies")
    for count, measurable in ((16, False), (34, False), (35, True)):
        made = own_pictures.from_zip(zipped(many(count)), "cats.zip")
        held_out = len(datasets.of(own(made.id), "val"))
        # What the kernel distance and recall need.
        assert (held_out >= 4) == measurable == (made.warnings == [])


def test_sets_of_the_first_format_are_read():
    made = own_pictures.from_zip(zipped(many(20)), "cats.zip")
    plain = json.loads((made.folder / "set.json").read_text())
    del plain["left_out"], plain["copies"]
    old = plain | {"format": 1, "others": 2, "damaged": 0, "too_large": 1}
    (made.folder / "set.json").write_text(json.dumps(old))
    found = own_pictures.open_set(made.id)
    assert found.about == "20 pictures; left out: 2 × not a picture, 1 × too large"
    assert datasets.of(own(found.id), "train").classes == ("cats",)


def test_a_set_is_made_in_hardly_more_memory_than_its_pictures_take():
    file = zipped({f"{number}.png": picture(number, (20, 20)) for number in range(500)})
    own_pictures.from_zip(zipped(many(16)), "warm.zip")  # Imports what it needs.
    tracemalloc.start()
    try:
        own_pictures.from_zip(file, "cats.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.6 * 500 * (28 * 28 + 3 * 64 * 64)


def test_nothing_is_left_where_a_set_cannot_be_written(monkeypatch, runs_folder):
    def full(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(runs, "write_json", full)
    assert "cannot be written (no space left" in refused(zipped(many()), runs_folder)


def test_a_set_is_deleted_unless_a_run_learns_from_it(make_run):
    made = own_pictures.from_zip(zipped(many()), "cats.zip")
    run = make_run("learner", pictures=made.id)
    for state in ("waiting", "training"):
        runs.write_status(run.path, Status(state))
        with runs.lock(run.path), pytest.raises(DataError, match="learner learns from"):
            own_pictures.delete(made.id)
    runs.write_status(run.path, Status("done"))
    assert [run.id for run in own_pictures.learners(made.id)] == ["learner"]
    own_pictures.delete(made.id)
    assert own_pictures.list_sets() == []
    assert not made.folder.exists()
    with pytest.raises(DataError, match=r"picture set .* doesn't exist"):
        own_pictures.delete(made.id)
    with pytest.raises(DataError, match=r"picture set .* doesn't exist: .* Make it again"):
        datasets.of(run.recipe, "train")
    assert own_pictures.from_zip(zipped(many()), "cats.zip") == made


@pytest.mark.parametrize("set_id", ["../cats", "/etc", "", ".", "..", "a/b", "Cats"])
def test_an_id_is_never_a_path(set_id, runs_folder):
    for use in (own_pictures.open_set, own_pictures.delete):
        with pytest.raises(DataError, match="is no id of a picture set"):
            use(set_id)
    with pytest.raises(RecipeError, match="pictures must be an id"):
        own(set_id).check()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 3}', '{"format": 1, "count": "x"}']
)
def test_a_damaged_set_is_told_of_and_spoils_no_other(content):
    other = own_pictures.from_zip(zipped(many(17)), "dogs.zip")
    made = own_pictures.from_zip(zipped(many()), "cats.zip")
    (made.folder / "set.json").write_text(content)
    with pytest.raises(DataError, match=f"{made.id} is damaged"):
        own_pictures.open_set(made.id)
    assert own_pictures.list_sets() == [other]
    assert own_pictures.from_zip(zipped(many()), "cats.zip") == made


def test_damaged_pictures_of_a_set_are_told_of():
    made = own_pictures.from_zip(zipped(many()), "cats.zip")
    path = made.file("mnist", "train")
    content = bytearray(path.read_bytes())
    content[-300] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{made.id} is damaged"):
        datasets.of(own(made.id), "train")
    path.write_bytes(b"")
    with pytest.raises(DataError, match=f"{made.id} is damaged"):
        own_pictures.preview(made.id, "mnist")
    own_pictures.delete(made.id)
    assert not made.folder.exists()


def test_recipes_say_what_they_learn_from_and_what_they_cannot():
    assert own("cats-12345678").title == "VAE on cats-12345678"
    for recipe in RECIPES.values():
        problems = dataclasses.replace(recipe, pictures="cats-12345678").problems()
        assert list(problems) == (["pictures"] if recipe.family == "classifier" else [])
    assert (
        "distance every must be None"
        in own("cats", distance_every=1).problems()[  # type: ignore
            "distance_every"
        ]
    )
    plain = recipes.to_json(own("cats-12345678"))
    assert recipes.from_json(json.loads(json.dumps(plain))) == own("cats-12345678")
    del plain["pictures"]
    assert recipes.from_json(plain).pictures is None


def test_the_classifiers_features_do_not_measure_own_pictures(make_run):
    made = own_pictures.from_zip(zipped(many()), "cats.zip")
    run = make_run("learner", pictures=made.id)
    with pytest.raises(EvaluationError, match="classifier does not know the pictures of cats-"):
        evaluation.evaluate(run, "classifier", samples=20)


def test_other_features_measure_own_pictures_against_themselves(make_run):
    made = own_pictures.from_zip(zipped(many(80)), "cats.zip")
    run = make_run("learner", pictures=made.id)
    pixels = evaluation.Extractor(
        name="inception",
        label="a few pixels",
        fingerprint="4 pixels",
        channels=(1,),
        batch_size=16,
        device=torch.device("cpu"),
        network=lambda images: images[:, 0, 10:12, 10:12].flatten(1),
    )
    entries = evaluation.evaluate(run, pixels, samples=20)
    real, floor = entries[0]["real"], entries[0]["floor"]
    assert (real["dataset"], real["images"], floor["images"]) == (made.id, 8, 20)
    assert real["fingerprint"] == datasets.of(run.recipe, "val").fingerprint


def train(*arguments: str) -> int:
    small = ["--epochs", "1", "--batch-size", "16", "--device", "cpu"]
    return main([*arguments, *small])


def test_the_command_line_trains_on_a_folder(tmp_path, capsys, runs_folder):
    files = many(20, "cat/") | many(20, "dog/") | {"dog/a.heic": HEIC}
    folder = written(tmp_path / "pets", files)
    assert train("vae-mnist", "--images", str(folder)) == 0
    said = capsys.readouterr().out
    assert "learning from the picture set pets-" in said
    assert "left out, HEIC: dog/a.heic; export as JPEG" in said
    assert "20 of the 40 pictures are copies of others" in said
    (made,) = own_pictures.list_sets()
    run = runs.find("vae-mnist-1")
    assert run.recipe.pictures == made.id
    assert run.title == f"VAE on {made.id}"
    assert run.status().state == "done"
    assert list(run.latents()["class_means"]) == ["cat", "dog"]
    provenance = run.info["data"]
    assert provenance is not None
    assert [provenance[split]["images"] for split in ("train", "val")] == [36, 4]
    shutil.rmtree(folder)
    assert train("gan-mnist", "--pictures", made.id) == 0
    again = runs.find("gan-mnist-1")
    assert again.info["data"] == run.info["data"]


def test_a_training_on_own_pictures_is_resumed_on_them_alone(make_run, tmp_path, capsys):
    made = own_pictures.from_zip(zipped(many()), "cats.zip")
    run = make_run("learner", pictures=made.id)
    runs.write_status(run.path, Status("stopped"))
    other = written(tmp_path / "dogs", many(18))
    arguments = ["vae-mnist", "--run-dir", str(run.path), "--resume"]
    assert main([*arguments, "--images", str(other)]) == 2
    assert f"was begun with pictures {made.id}" in capsys.readouterr().err
    own_pictures.delete(made.id)
    assert main(arguments) == 2
    assert "doesn't exist" in capsys.readouterr().err
    assert run.status().state == "stopped"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["vae-mnist", "--images", "nowhere/cats"], "there is no"),
        (["vae-mnist", "--images", "~nobody-here/cats"], "unknown user"),
        (["vae-mnist", "--images", "tests", "--pictures", "cats"], "give one of them"),
        (["vae-mnist", "--pictures", "cats-12345678"], "picture set 'cats-12345678' doesn't exist"),
        (["vae-mnist", "--pictures", "../cats"], "pictures must be an id"),
        (["vae-mnist", "--images", "tests", "--distance-every", "1"], "distance every must be"),
        (["classifier-mnist", "--images", "tests"], "pictures must be None"),
        (["vae-mnist", "--images", "tests/conftest.py"], "conftest.py is no zip file"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, expected, capsys, runs_folder):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.rstrip().splitlines()[-1].startswith("train.py: ")
    assert everything_in(runs_folder) == []
    assert list(runs.list_runs()) == [run for run in runs.list_runs() if run.id in RECIPES]


@pytest.fixture
def app(monkeypatch) -> AppTest:
    monkeypatch.setenv("GENMODELS_TRAINING", "open")
    return AppTest.from_file(str(Path(navigation.__file__)), default_timeout=120).run()


def open_page(app: AppTest, page: str) -> AppTest:
    app.switch_page(str(shell.page(page))).run()
    assert not app.exception
    return app


def pressed(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def worked(app: AppTest) -> AppTest:
    """The page when the work that it started is over."""
    for task in list(work._tasks.values()):
        assert task.over.wait(120)
    app.run()
    assert not app.exception
    return app


def uploaded(app: AppTest, content: bytes, name: str = "cats.zip") -> AppTest:
    """The Train page after a zip was looked through."""
    open_page(app, "train")
    app.file_uploader[0].upload(name, content).run()
    return worked(app)


def source(app: AppTest):
    """The box that says what a training learns from."""
    return next(box for box in app.selectbox if box.label == "Learn from")


def test_a_zip_is_uploaded_chosen_shown_and_deleted_on_the_train_page(app, monkeypatch):
    forgotten = []
    remove = MemoryUploadedFileManager.remove_file
    monkeypatch.setattr(
        MemoryUploadedFileManager,
        "remove_file",
        lambda manager, session, file: (forgotten.append(file), remove(manager, session, file)),
    )
    uploaded(app, zipped(many(20)).getvalue())
    assert len(forgotten) == 1  # It is no longer in memory.
    assert own_pictures.list_sets() == []
    assert "**cats**: 20 pictures" in [text.value for text in app.markdown]
    worked(pressed(app, "Make this set"))
    assert not app.error
    (made,) = own_pictures.list_sets()
    assert source(app).value == made.id
    assert app.file_uploader[0].value is None
    assert "is ready" in app.success[0].value
    assert "20 pictures" in [caption.value for caption in app.caption]
    (image,) = app.image
    assert "18 pictures of cats, resized and cropped to 28x28 grey" in str(image.proto)
    app.selectbox(key="recipe").set_value("gan-imagenette").run()
    assert source(app).value == made.id
    assert "cropped to 64x64 RGB" in str(app.image[0].proto)
    pressed(app, "Delete for good")
    assert own_pictures.list_sets() == []
    assert source(app).value == "Imagenette"


def test_the_first_look_shows_classes_and_what_is_left_out_before_a_set_is_made(app):
    files = many(20, "cat/") | many(12, "dog/") | {"dog/a.heic": HEIC, "dog/b.jpg": b"junk"}
    uploaded(app, zipped(files).getvalue())
    assert "**cats**: 32 pictures in 2 classes" in [text.value for text in app.markdown]
    classes, left_out = (table.value for table in app.dataframe[:2])
    assert classes.to_dict("list") == {"Class": ["cat", "dog"], "Pictures": [20, 12]}
    assert left_out["Reason"].tolist() == ["HEIC", "damaged"]
    assert left_out["Names"].tolist() == ["dog/a.heic", "dog/b.jpg"]
    assert "iPhone" in left_out["What to do"][0]
    open_page(app, "home")
    open_page(app, "train")  # It is still there.
    pressed(app, "Discard")
    assert own_pictures.list_sets() == []
    assert not [button for button in app.button if button.label == "Make this set"]
    uploaded(app, zipped(many(10)).getvalue())
    assert "Cats holds 10 pictures" in app.error[0].value
    (button,) = [button for button in app.button if button.label == "Make this set"]
    assert button.disabled


def test_zips_that_are_looked_through_have_so_much_room_in_all(app, monkeypatch):
    content = zipped(many(20)).getvalue()
    kept = sum(os.fstat(other.fileno()).st_size for other in view._zips)
    monkeypatch.setattr(view, "ALL_ZIPS", kept + int(1.5 * len(content)))
    uploaded(app, content)
    open_page(app, "train").file_uploader[0].upload("dogs.zip", content).run()
    assert "Many zips are being looked through" in app.error[0].value
    pressed(app, "Discard")
    gc.collect()
    uploaded(app, content, "dogs.zip")
    assert "**dogs**: 20 pictures" in [text.value for text in app.markdown]


@pytest.mark.parametrize("button", ["Discard", "Make this set"])
def test_a_zip_is_let_go_once_nothing_can_be_made_of_it(app, button):
    """Streamlit keeps what callbacks hold as long as a session."""
    gc.collect()
    before = set(map(id, view._zips))
    uploaded(app, zipped(many(20)).getvalue())
    assert {id(file) for file in view._zips} - before
    worked(pressed(app, button))
    gc.collect()
    assert not {id(file) for file in view._zips} - before


def test_what_is_left_out_copied_or_too_few_is_said_before_a_set_is_made_and_after(app):
    files = many(20) | {"again.png": picture(3), "a.heic": HEIC}
    uploaded(app, zipped(files).getvalue())
    for made in (False, True):
        if made:
            worked(pressed(app, "Make this set"))
        assert len(own_pictures.list_sets()) == made
        warnings = " ".join(warning.value for warning in app.warning)
        assert "1 of the 21 pictures is a copy of another" in warnings
        assert "can't be measured: that takes at least 35" in warnings
        assert app.dataframe[0].value["Names"].tolist() == ["a.heic"]
        (image,) = app.image
        assert "19 pictures of cats, resized and cropped to 28x28 grey" in str(image.proto)


@pytest.mark.parametrize("damaged", [0, 3])
def test_a_look_shows_the_pictures_that_training_will_see(damaged):
    files = many(40) | {f"{number:03d}.png": picture(number)[:60] for number in range(damaged)}
    look = own_pictures.look_through_zip(zipped(files), "cats.zip")
    told = []
    shown = own_pictures.sample(look, 24, lambda *progress: told.append(progress))
    assert told[-1] == ("Opening some pictures", 24, 24)
    made = own_pictures.make(look)
    for dataset, images in shown.items():
        trained = own_pictures.preview(made.id, dataset, 40)
        if not damaged:
            assert np.array_equal(images, trained[:24])
        assert images.shape[1:] == trained.shape[1:]
        known = {image.tobytes() for image in trained}
        assert {image.tobytes() for image in images} <= known
        assert 24 - damaged <= len(images) <= 24


def test_only_files_of_the_same_content_are_copies():
    same = {f"copy/{number}.bmp": picture(0, kind="BMP") for number in range(5)}
    alike = {f"{number}.bmp": picture(number, kind="BMP") for number in range(20)}
    assert len({len(content) for content in (*same.values(), *alike.values())}) == 1
    look = own_pictures.look_through_zip(zipped(alike | same), "cats.zip")
    assert look.copies == 5
    assert own_pictures.make(look).copies == 5


def test_a_made_set_is_chosen_once_and_its_word_goes_with_it(app):
    worked(pressed(uploaded(app, zipped(many(20)).getvalue()), "Make this set"))
    (made,) = own_pictures.list_sets()
    assert source(app).value == made.id
    assert app.query_params["pictures"] == made.id
    open_page(app, "home")
    open_page(app, "train")
    assert source(app).value == made.id
    source(app).set_value("MNIST").run()
    assert source(app).value == "MNIST"
    assert not app.success  # It told of the other source.
    assert "pictures" not in app.query_params
    app.run()
    assert source(app).value == "MNIST"


def test_a_set_that_is_gone_is_missed(app):
    made = own_pictures.from_zip(zipped(many(20)), "cats.zip")
    app.query_params["pictures"] = made.id
    open_page(app, "train")
    assert source(app).value == made.id
    own_pictures.delete(made.id)  # By somebody else.
    app.run()
    assert source(app).value == "MNIST"
    assert f"no picture set {made.id}: it was deleted" in app.warning[0].value.replace("\\", "")
    app.selectbox(key="recipe").set_value("gan-imagenette").run()
    assert source(app).value == "Imagenette"
    assert not app.warning


@pytest.fixture
def held_up(monkeypatch):
    """Makes the preparing of pictures wait until it is let go; also how many are."""
    let_go = threading.Event()
    make = own_pictures.make

    def slow(look, progress):
        while not let_go.wait(0.01):
            progress("Waiting", 0, 1)
        return make(look, progress)

    monkeypatch.setattr(own_pictures, "make", slow)
    yield let_go
    let_go.set()
    for task in list(work._tasks.values()):
        assert task.over.wait(120)


def test_a_zip_that_comes_while_a_set_is_made_is_next(app, held_up):
    pressed(uploaded(app, zipped(many(20)).getvalue()), "Make this set")
    app.file_uploader[0].upload("dogs.zip", zipped(many(30)).getvalue()).run()
    assert not app.exception
    assert "dogs.zip is next" in app.info[0].value.replace("\\", "")
    assert "dogs.zip is here." in app.toast[-1].value.replace("\\", "")
    held_up.set()
    worked(worked(app))
    (cats,) = own_pictures.list_sets()
    assert source(app).value == cats.id
    assert "**dogs**: 30 pictures" in [text.value for text in app.markdown]
    worked(pressed(app, "Make this set"))
    assert {found.title for found in own_pictures.list_sets()} == {"cats", "dogs"}
    assert str(source(app).value).startswith("dogs-")


def test_callbacks_that_streamlit_calls_twice_do_their_work_once(app, held_up, monkeypatch):
    """It does where a run was interrupted before it was over."""

    def twice(callback):
        def called(*given):
            callback(*given)
            callback(*given)

        return called

    for name in ("_take_upload", "_make_in_background"):
        monkeypatch.setattr(view, name, twice(getattr(view, name)))
    pressed(uploaded(app, zipped(many(20)).getvalue()), "Make this set")
    assert not app.exception and not app.error and not app.info
    held_up.set()
    worked(app)
    (made,) = own_pictures.list_sets()
    assert source(app).value == made.id
    assert "is ready" in app.success[0].value


def test_a_zip_that_takes_anothers_place_says_so(app):
    uploaded(app, zipped(many(20)).getvalue())
    app.file_uploader[0].upload("dogs.zip", zipped(many(30)).getvalue()).run()
    worked(app)
    assert "dogs.zip takes the place of cats.zip" in app.info[0].value.replace("\\", "")
    assert "**dogs**: 30 pictures" in [text.value for text in app.markdown]
    pressed(app, "Discard")
    assert not app.info


def test_a_press_on_an_offer_that_was_just_replaced_makes_that_set_and_leaves_the_other(app):
    uploaded(app, zipped(many(20)).getvalue())
    app.file_uploader[0].upload("dogs.zip", zipped(many(30)).getvalue())
    pressed(app, "Make this set")  # With the upload, as a busy server hears of both at once.
    worked(worked(app))
    assert [found.title for found in own_pictures.list_sets()] == ["cats"]
    assert "**dogs**: 30 pictures" in [text.value for text in app.markdown]


def test_preparing_goes_on_and_stops_when_asked(app, monkeypatch):
    began, go_on = threading.Event(), threading.Event()
    prepare = own_pictures._prepare

    def slow(*arguments):
        began.set()
        assert go_on.wait(120)
        return prepare(*arguments)

    uploaded(app, zipped(many(40)).getvalue())
    monkeypatch.setattr(own_pictures, "_prepare", slow)
    pressed(app, "Make this set")
    assert began.wait(120)
    open_page(app, "home")
    open_page(app, "train")
    app.selectbox(key="recipe").set_value("gan-mnist").run()
    pressed(app, "Stop")
    go_on.set()
    worked(app)
    assert "Preparing cats: stopped. No set was made." in app.error[0].value.replace("\\", "")
    assert own_pictures.list_sets() == []
    worked(pressed(uploaded(app, zipped(many(40)).getvalue()), "Make this set"))
    (made,) = own_pictures.list_sets()
    assert source(app).value == made.id


def test_whatever_is_pressed_while_a_zip_is_prepared_the_set_is_made(page, tmp_path, runs_folder):
    from playwright.sync_api import expect

    large = {f"{number}.png": picture(number, (1200, 900)) for number in range(60)}
    (tmp_path / "cats.zip").write_bytes(zipped(large | {"again.png": large["0.png"]}).getvalue())
    (tmp_path / "dogs.zip").write_bytes(zipped(many(40)).getvalue())
    places = {name: str(tmp_path / name) for name in ("runs", "data", "cache")}
    with serving(tmp_path, paths.REPOSITORY / "app.py", {**places, "training": "open"}) as address:
        page.goto(f"{address}/train")
        # One that takes the place of another is beside it for a moment.
        chooser = page.get_by_role("combobox", name="Learn from").first
        shown = page.get_by_text("As the training sees them: 28x28 grey")
        page.get_by_text("Add own pictures").click()
        uploader = page.locator("input[type=file]")
        uploader.set_input_files(tmp_path / "cats.zip")
        expect(page.get_by_text("1 of the 61 pictures is a copy")).to_be_visible(timeout=60_000)
        expect(shown).to_be_visible()
        page.get_by_role("button", name="Make this set").click()
        expect(page.get_by_text("Making a set of cats …")).to_be_visible(timeout=60_000)
        uploader.set_input_files(tmp_path / "dogs.zip")  # While the making begins.
        expect(page.get_by_text("dogs.zip is here.")).to_be_visible(timeout=60_000)
        page.get_by_label("Title").fill("while it is prepared")
        page.get_by_label("Title").press("Enter")
        start = page.get_by_role("button", name="Start training")
        expect(start).to_be_enabled(timeout=60_000)
        start.click()
        expect(page.get_by_role("combobox", name="Training")).to_be_visible(timeout=60_000)
        page.get_by_role("link", name="Home").click()
        expect(page).to_have_url(f"{address}/", timeout=60_000)
        settled(page)
        page.go_back()
        expect(chooser).to_have_value(re.compile("cats-"), timeout=120_000)
        expect(page.get_by_text("dogs: 40 pictures")).to_be_visible(timeout=60_000)
        expect(shown).to_have_count(2)  # Of what is offered and of what is chosen.
        # What comes of a press is where it was pressed.
        page.get_by_role("button", name="Make this set").click()
        expect(chooser).to_have_value(re.compile("dogs-"), timeout=120_000)
        expect(page.get_by_text(re.compile(r"^dogs-\w+ is ready\.$"))).to_be_in_viewport()
        expect(shown).to_have_count(1)
        page.reload()  # The browser forgets a set that was deleted.
        delete = page.get_by_text("Delete these pictures")
        expect(delete).to_be_visible()
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        # At the window's lower edge what it opens would be below that.
        delete.evaluate("button => button.scrollIntoView({block: 'center'})")
        delete.click()
        page.get_by_text("Delete for good").click()
        expect(page.get_by_text("is deleted.")).to_be_visible()
        expect(chooser).to_have_value("MNIST")
        assert page.traffic.trouble == []
    assert [found.title for found in own_pictures.list_sets()] == ["cats"]
    assert [
        json.loads(path.read_text())["title"] for path in runs_folder.glob("*/recipe.json")
    ] == ["while it is prepared"]


def test_a_bad_zip_is_refused_in_place_on_the_train_page(app, runs_folder):
    uploaded(app, b"no zip")
    assert "is no zip file" in app.error[0].value.replace("\\", "")
    assert source(app).value == "MNIST"
    assert everything_in(runs_folder) == []
    assert any(button.label == "Start training" for button in app.button)


def test_no_set_is_made_where_there_is_no_room(app, runs_folder, monkeypatch):
    monkeypatch.setenv("GENMODELS_MAX_MEGABYTES", "0")
    worked(pressed(uploaded(app, zipped(many(20)).getvalue()), "Make this set"))
    assert "All runs and pictures take 0 MB" in app.error[0].value
    assert own_pictures.list_sets() == []


def test_no_class_is_offered_that_a_model_of_own_pictures_cannot_draw(app, make_run):
    made = own_pictures.from_zip(zipped(many(20, "a/") | many(10, "b/")), "cats.zip")
    for name in ("gan-mnist-plus", "vae-mnist-plus"):
        run: Run = make_run(f"of-{name}", name, pictures=made.id)
        model = weights.load_run(run)
        for label in range(len(posteriors.classes(run))):
            model.sample(2, label=label)
        assert posteriors.class_means(run, model) == {}  # Not all pictures' by the name of "a".
        assert posteriors.image_classes(run) == ["a", "b"]
        open_page(app, "sample").selectbox(key="model").set_value(run.id).run()
        assert not app.exception
        assert "Class" not in [box.label for box in app.selectbox]
    app.selectbox(key="model").set_value("gan-mnist-plus").run()
    assert "Class" in [box.label for box in app.selectbox]


def test_pages_show_own_pictures_and_live_on_without_them(app, make_run):
    made = own_pictures.from_zip(zipped(many(20, "a/") | many(10, "b*/")), "cats.zip")
    run: Run = make_run("learner", pictures=made.id)
    app.query_params["model"] = run.id
    open_page(app, "reconstruct")
    assert not app.error
    assert app.number_input(key="first").max == 0
    captions = [image.captions[0].partition(", error")[0] for image in app.image]
    assert sorted(captions) == ["a", "a", "b\\*"]
    app.query_params["view"] = "Nearest training images"
    open_page(app, "evaluate")
    for task in list(work._tasks.values()):
        assert task.over.wait(180)
    app.run()
    assert len(app.image) == 10 and not app.error
    app.segmented_control(key="by").set_value("features").run()
    assert "classifier does not know the pictures" in app.error[0].value.replace("\\", "")
    open_page(app, "reconstruct")
    own_pictures.delete(made.id)
    app.run()
    assert not app.exception and not app.error
    assert "doesn't exist" in app.info[0].value
