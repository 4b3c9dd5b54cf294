import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from genmodels.data import formats


def some_images(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 8, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("columns", [1, 4, None])
def test_a_sprite_splits_into_its_images(channels, columns):
    images = some_images(12, channels)
    sprite = formats.sprite(images, columns)
    assert np.array_equal(formats.split(sprite, 6, 8)[:12], images)


def test_a_sprite_is_about_square_and_pads_with_black():
    sprite = formats.sprite(some_images(7, 1), gap=2)
    assert sprite.size == (3 * 8 + 2 * 2, 3 * 6 + 2 * 2)
    pixels = np.asarray(sprite)
    assert not pixels[6:8].any()
    assert not pixels[:, 8:10].any()
    assert not pixels[16:, 10:].any()


def test_floats_are_rounded_not_cut_and_clipped_to_the_range():
    values = np.array([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 100.4 / 255, 254.6 / 255, 1.0, 7.0])
    images = formats.from_floats(values.astype(np.float32).reshape(1, 1, 2, 4))
    assert images.shape == (1, 2, 4, 1)
    assert images.ravel().tolist() == [0, 0, 0, 1, 100, 255, 255, 255]


def test_floats_keep_their_channels_and_any_byte_survives():
    images = some_images(3, 3)
    floats = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    assert np.array_equal(formats.from_floats(floats), images)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 2, 28, 28), (1, 28, 28, 1)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match="images must be"):
        formats.from_floats(np.zeros(shape))


def test_webp_is_lossless_for_grey_and_close_for_colour():
    grey = formats.sprite(some_images(4, 1))
    assert np.array_equal(np.asarray(reopened(formats.webp(grey)).convert("L")), np.asarray(grey))
    smooth = Image.fromarray(some_images(1, 3)[0]).resize((64, 64), Image.Resampling.BICUBIC)
    again = reopened(formats.webp(smooth))
    difference = np.abs(np.asarray(again, float) - np.asarray(smooth, float))
    assert again.mode == "RGB"
    assert difference.mean() < 8


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_is_what_was_put_in(channels):
    picture = formats.sprite(some_images(4, channels))
    assert np.array_equal(np.asarray(reopened(formats.png(picture))), np.asarray(picture))
    head, _, content = formats.data_url(picture).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(content) == formats.png(picture)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_has_all_its_frames_and_their_time(channels):
    frames = [formats.to_pil(image) for image in some_images(5, channels)]
    animation = reopened(formats.gif(frames, seconds_per_frame=0.2))
    durations = [frame.info["duration"] for frame in ImageSequence.Iterator(animation)]
    assert durations == [200] * 5
    assert animation.info["loop"] == 0


def test_enlarging_repeats_pixels():
    picture = formats.to_pil(some_images(1, 3)[0])
    large = np.asarray(formats.enlarge(picture, 3))
    assert np.array_equal(large, np.asarray(picture).repeat(3, 0).repeat(3, 1))


def reopened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))
