"""A set in device memory: the crops it gives, and a run on it."""

import dataclasses
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gllmm_jax.data.batches import Batches
from gllmm_jax.data.resident import Resident, Store, draw, load, place_of
from gllmm_jax.mesh import make_mesh
from gllmm_jax.nn.model import init_params
from gllmm_jax.train import loop, run
from gllmm_jax.train.step import create_state
from tests.train.test_processes import latest
from tests.train.worker import TINY, config

CROP = 64


@pytest.fixture
def files(folder):
    return sorted(folder.iterdir())


def test_crops_are_pieces_of_the_images(files, pieces, tmp_path):
    """Of images of another size each, by brute force; both ways round, and every image once an epoch."""
    images = [pieces[path.stem][: 70 + i, : 112 - 3 * i] for i, path in enumerate(files)]
    cut = [tmp_path / f"{i}.png" for i in range(len(images))]
    for path, image in zip(cut, images, strict=True):
        Image.fromarray(image).save(path)
    store = load(cut, crop=CROP, batch=3)
    step = jax.jit(lambda step: draw(store, jax.random.PRNGKey(4), step, batch=3, crop=CROP))
    seen, mirrored, places = [], set(), set()
    for number in range(8):  # three epochs of eight
        for crop in np.asarray(step(number)):
            image, top, left, mirror = find(crop, images)
            seen.append(image)
            mirrored.add(mirror)
            places.add((top, left))
    assert all(sorted(seen[i : i + 8]) == list(range(8)) for i in (0, 8, 16))
    assert seen[:8] != seen[8:16] and mirrored == {False, True} and len(places) > 12


@pytest.mark.parametrize(("batch", "count"), [(3, 8), (1, 1), (8, 716), (716, 716), (500_001, 524_287)])
def test_the_place_of_a_step_is_exact_for_every_step(batch, count):
    last = 2**31 - 1
    edge = last // batch  # the product passes int32 behind it
    steps = [0, 1, 2, count - 1, count, edge - 1, edge, min(edge + 1, last), last - 1, last]
    epoch, first = place_of(jnp.asarray(steps, jnp.int32), batch=batch, count=count)
    assert list(zip(epoch.tolist(), first.tolist(), strict=True)) == [divmod(step * batch, count) for step in steps]


def test_late_batches_are_of_whole_epochs_too():
    """Images of one pixel, whose number it holds."""
    numbers, one = np.arange(8, dtype=np.int32), np.ones(8, np.int32)
    store = Store(np.repeat(numbers.astype(np.uint8)[:, None], 3, axis=1), numbers, one, one)
    late = 2**31 // 3 // 8 * 8  # an epoch begins there, and batches beyond int32 soon after
    steps = jnp.arange(late, late + 8, dtype=jnp.int32)
    seen = jax.jit(jax.vmap(lambda step: draw(store, jax.random.key(4), step, batch=3, crop=1)))(steps)
    assert (np.sort(seen[..., 0].reshape(3, 8)) == numbers).all()


def find(crop, images):
    """Which image it is of, where, and whether mirrored."""
    for mirror in (False, True):
        wanted = crop[:, ::-1] if mirror else crop
        for index, image in enumerate(images):
            views = np.lib.stride_tricks.sliding_window_view(image, (CROP, CROP), axis=(0, 1))
            hits = np.argwhere((views == wanted.transpose(2, 0, 1)).all(axis=(2, 3, 4)))
            if len(hits):
                return index, *hits[0], mirror
    raise AssertionError("a crop of nothing")


def test_broken_files_are_left_out_and_a_batch_needs_as_many(folder, files, caplog):
    (folder / "broken.png").write_bytes(b"no picture")
    store = load([*files, folder / "broken.png"], crop=128, batch=8)
    assert len(store.start) == 8 and "skipping" in caplog.text
    assert (store.height == 128).all() and (store.width == 128).all()  # 112, padded
    with pytest.raises(ValueError, match="a batch of 9 needs as many images, and there are 8"):
        load(files, crop=64, batch=9)


def test_a_run_stops_and_goes_on_as_if_it_had_not(folder, tmp_path, monkeypatch):
    class Meter(run.Meter):
        def add(self, step, metrics, steps=1):
            if step == 3:
                signal.raise_signal(signal.SIGTERM)
            super().add(step, metrics, steps)

    train_config = dataclasses.replace(config(folder, 6), resident=True)
    with monkeypatch.context() as patch:
        patch.setattr(run, "Meter", Meter)
        assert loop.train(TINY, train_config, tmp_path / "two", show=False).step == 3
    for name in ("one", "two"):
        assert loop.train(TINY, train_config, tmp_path / name, show=False).step == 6
    (one, record), (two, record_of_two) = (latest(folder, tmp_path / name, 6) for name in ("one", "two"))
    assert record.data == record_of_two.data and set(record.data) == {"files"}
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True):
        np.testing.assert_array_equal(a, b)


def test_several_steps_in_a_call_are_the_same_steps(folder, files):
    one = dataclasses.replace(config(folder, 9), resident=True, learning_rate=1e-3)
    store, mesh = load(files, crop=64, batch=one.batch), make_mesh()
    several = dataclasses.replace(one, steps_per_call=3)
    params = init_params(TINY, jax.random.key(0))
    states = [create_state(one, params, jax.random.key(1)) for _ in range(2)]
    step, seen = run.train_step(TINY, one, mesh, False), []
    for _ in range(3):
        states[0], metrics = step(states[0], store, 0.5)
        seen.append(metrics)
    states[1], metrics = run.train_step(TINY, several, mesh, False)(states[1], store, 0.5, 3)
    assert int(states[1].step) == 3 and float(metrics["skipped"]) == 0
    for name in metrics:
        np.testing.assert_allclose(metrics[name], np.mean([row[name] for row in seen]), rtol=1e-4, err_msg=name)
    for a, b in zip(*map(jax.tree.leaves, (states[0].ema, states[1].ema)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    broken = jax.tree.map(lambda a: a * jnp.nan, states[1].params["prior"])
    left, metrics = run.train_step(TINY, several, mesh, False)(
        states[1]._replace(params=states[1].params | {"prior": broken}), store, 0.5, 2
    )
    assert int(left.step) == 5 and float(metrics["skipped"]) == 1 and np.isnan(metrics["loss"])


@pytest.mark.slow
def test_a_run_ends_where_its_steps_do_whatever_a_call_takes(folder, tmp_path):
    train_config = dataclasses.replace(config(folder, 5), resident=True, steps_per_call=3)
    outcome = loop.train(TINY, train_config, tmp_path, show=False)
    assert outcome.finished and outcome.step == 5
    assert int(latest(folder, tmp_path, 5)[0].step) == 5


def test_a_run_may_leave_device_memory(folder, caplog):
    files = sorted(folder.iterdir())
    state = Resident(files, make_mesh(), batch=2, crop=64).state()
    batches = Batches(files, batch=2, crop=64, seed=0)
    batches.restore(state)
    assert "begin anew" in caplog.text and next(batches).shape == (2, 64, 64, 3)
