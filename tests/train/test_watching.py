"""What a run shows beside its figures."""

import jax
import numpy as np
import pytest

from gllmm_jax.checkpoints.record import Record
from gllmm_jax.nn.model import init_params
from gllmm_jax.train.log import FIGURES, Log
from gllmm_jax.train.summary import write_summary
from gllmm_jax.train.view import make_view
from tests.compiled import apply
from tests.train.worker import TINY, config


def test_the_view_is_the_picture_and_its_rate(photograph):
    params, image = init_params(TINY, jax.random.key(0)), photograph(64, 128)
    picture, rate = jax.device_get(make_view(TINY)(params, image))
    output = apply(TINY, params, image[None] / np.float32(255))
    assert (picture.shape, picture.dtype, rate.shape) == ((64, 128, 3), np.uint8, (4, 8))
    assert np.abs(picture - np.clip(np.asarray(output.x_hat[0]) * 255, 0, 255)).max() <= 0.51
    assert rate.sum() * 256 == pytest.approx(float(output.bits_y[0]), rel=1e-4)


def test_tensorboard_shows_pictures_of_one_size(tmp_path, monkeypatch):
    tensorboard = pytest.importorskip("tensorboardX")
    shown = {}

    def keep(_, name, image, *__, **___):
        shown[name] = image

    monkeypatch.setattr(tensorboard.SummaryWriter, "add_image", keep)
    with Log(tmp_path, step=0, progress=0.0, show=False) as log:
        picture = np.zeros((64, 128, 3), np.uint8)
        log.pictures(1, picture, picture + 9, np.array([[0.0, 1.0, 2.0, 9.0]]).repeat(2, axis=1).repeat(4, axis=0))
    assert {name: image.shape for name, image in shown.items()} == {
        f"validation/{name}": (64, 128, 3) for name in ("original", "reconstruction", "rate")
    }
    assert shown["validation/rate"][40, 16::32, 1].tolist() == [0, 128, 255, 255]


def test_the_summary(tmp_path):
    record = Record(TINY, config("photographs", 900), step=900, seconds=3600.0)
    with Log(tmp_path, step=0, progress=0.0, show=False) as log:
        for step in range(10, 901, 10):
            figures = dict.fromkeys(FIGURES, 1.0) | {"loss": abs(step - 450) / 100 + 1, "psnr": 31.5}
            log.write("validation", step, 4.0 * step, figures)
            log.write("train", step, 4.0 * step, figures | {"images_per_second": 12.0})
    write_summary(tmp_path, record, "finished after 900 steps")
    text = (tmp_path / "summary.txt").read_text()
    lines = text.splitlines()
    assert lines[0] == "finished after 900 steps" and len(lines) < 40
    assert "tiny, 19,300 parameters" in text and "900 steps, 60.0 minutes, 12.0 images/s" in text
    best = next(line for line in lines if line.endswith("the best"))
    assert best.split()[:6] == ["450", "30.0", "1.0000", "1.0000", "31.50", "1.0000"]
    assert any(line.split()[:1] == ["900"] for line in lines)
    assert f"gllmm-jax export {tmp_path}" in lines[-1]


def test_a_run_without_a_validation_has_a_summary(tmp_path):
    with Log(tmp_path, step=0, progress=0.0, show=False):
        pass
    write_summary(tmp_path, Record(TINY, config("photographs", 3)), "stopped")
    assert "no validation yet" in (tmp_path / "summary.txt").read_text()
