"""The folder as a stream: conversions, the split, crops, and the exact resume."""

import json
import logging
import os

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.data import photographs
from gllmm_jax.data.batches import (
    CACHE_BYTES,
    Batches,
    ImageSource,
    fingerprint,
    random_crop,
    sample_photographs,
    validation_images,
)


def take(batches, count):
    return [next(batches) for _ in range(count)]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif"])
def test_reads_every_format(make_folder, suffix, pieces):
    files = photographs.list_images(make_folder(suffix))
    assert len(files) == 8
    image = photographs.read_image(files[0])
    assert image.shape == (112, 112, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - pieces[files[0].stem]).mean() < 8


def test_other_files_are_not_listed_and_none_is_an_error(folder, tmp_path):
    (folder / "MANIFEST.tsv").write_text("not an image")
    (folder / ".hidden.png").write_text("not an image")
    (folder / "deeper").mkdir()
    (folder / "rocket_001.png").rename(folder / "deeper" / "ROCKET.PNG")
    names = [f.name for f in photographs.list_images(folder)]
    assert len(names) == 8
    assert "ROCKET.PNG" in names
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"^there is no folder .*nowhere$"):
        photographs.list_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no PNG, JPEG, WebP or AVIF images"):
        photographs.list_images(tmp_path / "empty")


def test_split_holds_out_whole_scenes(folder):
    train, validation = photographs.split(photographs.list_images(folder))
    assert [f.stem for f in validation] == ["rocket_001"]  # one view is enough to judge by
    assert len(train) == 6
    assert not {photographs.scene(f) for f in train} & {photographs.scene(f) for f in validation}


def test_split_holds_out_what_can_be_read(folder, caplog):
    (folder / "rocket_001.png").write_bytes(b"no picture")
    train, validation = photographs.split(photographs.list_images(folder))
    assert [f.stem for f in validation] == ["coffee_001"]
    assert len(train) == 6  # the broken one among them, for whoever reads them to tell
    images = validation_images(validation, crop=64)
    next(Batches(train, batch=6, crop=64, seed=0))
    assert (len(images), caplog.text.count("skipping")) == (1, 1)
    for file in folder.iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"no photograph for validation can be read \(.*rocket_001.png among them"):
        photographs.split(photographs.list_images(folder))


def test_names_of_any_bytes(folder):
    name = os.fsdecode(b"bad\xff\xfename.png")
    (folder / "coffee_001.png").rename(folder / name)
    files = photographs.list_images(folder)
    batches = Batches(files, batch=2, crop=64, seed=0)
    assert next(batches).shape == (2, 64, 64, 3)
    assert fingerprint(files) != fingerprint([f for f in files if f.name != name])


def test_split_takes_every_twentieth_scene_and_needs_two(tmp_path):
    files = [tmp_path / f"boat_{i:03}{view}.avif" for i in range(100) for view in ("", "b")]
    train, validation = photographs.split(files, readable=lambda _: True)
    assert [f.stem for f in validation] == [f"boat_{i:03}" for i in (19, 39, 59, 79, 99)]
    assert len(train) == 190
    with pytest.raises(ValueError, match="at least two photographs"):
        photographs.split(files[:2])


def test_conversions_to_rgb(tmp_path, pieces):
    rgb = Image.fromarray(pieces["coffee_001"])
    gray = np.asarray(rgb.convert("L"))
    made = {
        "gray.png": rgb.convert("L"),
        "palette.png": rgb.quantize(256),
        "cmyk.jpg": rgb.convert("CMYK"),
        "alpha.png": Image.merge("RGBA", (*rgb.split(), Image.new("L", rgb.size, 0))),
        "deep.png": Image.fromarray(gray.astype(np.uint16) * 257),
    }
    for name, image in made.items():
        image.save(tmp_path / name, quality=95)
    read = {name: photographs.read_image(tmp_path / name) for name in made}
    assert all(image.shape == (112, 112, 3) and image.dtype == np.uint8 for image in read.values())
    np.testing.assert_array_equal(read["gray.png"], np.repeat(gray[..., None], 3, 2))
    np.testing.assert_array_equal(read["deep.png"], read["gray.png"])
    assert (read["alpha.png"] == 255).all()  # nothing but the white behind
    for name in ("palette.png", "cmyk.jpg"):
        assert np.abs(read[name].astype(int) - pieces["coffee_001"]).mean() < 10


def test_broken_files_are_skipped_with_one_warning_each(folder, caplog):
    (folder / "astronaut_001.png").write_bytes(b"no picture")
    cut = folder / "coffee_001.png"
    cut.write_bytes(cut.read_bytes()[:2000])
    source = ImageSource(photographs.list_images(folder), crop=64)
    with caplog.at_level(logging.WARNING):
        images = [source[i] for i in (*range(8), *range(8))]
    assert len(caplog.records) == 2
    assert {name for name in ("astronaut_001.png", "coffee_001.png") if name in caplog.text} == {
        "astronaut_001.png",
        "coffee_001.png",
    }
    np.testing.assert_array_equal(images[0], images[1])  # the next one takes its place


def test_nothing_readable_is_an_error(folder):
    for file in folder.iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="none of the training images can be read"):
        ImageSource(photographs.list_images(folder), crop=64)[0]


def test_small_images_are_padded_with_one_warning(folder, caplog):
    source = ImageSource(photographs.list_images(folder), crop=128)
    with caplog.at_level(logging.WARNING):
        assert all(source[i].shape == (128, 128, 3) for i in range(8))
    assert len(caplog.records) == 1


@pytest.mark.parametrize("cache_bytes", [0, 60_000, CACHE_BYTES])
def test_batches_do_not_depend_on_the_cache(folder, cache_bytes):
    files = photographs.list_images(folder)
    plain = take(Batches(files, batch=3, crop=64, seed=5), 5)
    other = take(Batches(files, batch=3, crop=64, seed=5, cache_bytes=cache_bytes), 5)
    assert plain[0].shape == (3, 64, 64, 3)
    assert plain[0].dtype == np.uint8
    np.testing.assert_array_equal(plain, other)


@pytest.mark.parametrize("stop", [0, 1, 7])
def test_resume_gives_the_batches_that_would_have_followed(folder, stop):
    files = photographs.list_images(folder)
    straight = take(Batches(files, batch=3, crop=64, seed=1), 12)
    first = Batches(files, batch=3, crop=64, seed=1)
    take(first, stop)
    state = json.loads(json.dumps(first.state()))
    second = Batches(files, batch=3, crop=64, seed=1)
    second.restore(state)
    np.testing.assert_array_equal(take(second, 12 - stop), straight[stop:])


def test_every_image_once_an_epoch_in_a_new_order_with_new_crops(folder):
    names = {f.stem: i for i, f in enumerate(photographs.list_images(folder))}
    for file in photographs.list_images(folder):
        noise = np.random.default_rng(names[file.stem]).integers(0, 8, (112, 112, 3))
        Image.fromarray((noise + 16 * names[file.stem]).astype(np.uint8)).save(file)
    batches = take(Batches(photographs.list_images(folder), batch=8, crop=64, seed=0), 3)
    orders = [[int(crop.min()) // 16 for crop in batch] for batch in batches]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    by_name = [batch[np.argsort(order)] for batch, order in zip(batches, orders, strict=True)]
    assert all((a != b).any() for a, b in zip(by_name[0], by_name[1], strict=True))


def test_crops_reach_every_corner_and_are_mirrored():
    image = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    crop = random_crop(3)
    key = np.random.default_rng(0)
    seen = {crop(image, key).tobytes() for _ in range(200)}
    wanted = {image[:, j : j + 3][:, ::flip].tobytes() for j in range(3) for flip in (1, -1)}
    assert seen == wanted


def test_a_changed_folder_is_told(folder, caplog):
    batches = Batches(photographs.list_images(folder), batch=2, crop=64, seed=0)
    state = batches.state()
    (folder / "rocket_001.png").unlink()
    with caplog.at_level(logging.WARNING):
        Batches(photographs.list_images(folder), batch=2, crop=64, seed=0).restore(state)
    assert "has changed" in caplog.text


def test_validation_images_are_centre_crops(folder, pieces):
    files = photographs.list_images(folder)
    images = validation_images(files, crop=64)
    assert images.shape == (8, 64, 64, 3)
    np.testing.assert_array_equal(images[0], pieces["astronaut_001"][24:88, 24:88])
    few = validation_images(files, crop=64, limit=3)
    np.testing.assert_array_equal(few, images[[0, 2, 5]])


def test_sampled_photographs_keep_their_shape_up_to_a_side(folder):
    shapes = [image.shape for image in sample_photographs(photographs.list_images(folder), most=100, limit=5)]
    assert shapes == [(100, 100, 3)] * 5
