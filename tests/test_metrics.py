"""PSNR and MS-SSIM against implementations in NumPy and SciPy that share nothing with ours."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, signal

from gllmm_jax.metrics import SCALE_WEIGHTS, ms_ssim, psnr, scale_count

SIZES = [(176, 176), (187, 241), (64, 97), (11, 40)]


def picture(height: int, width: int) -> np.ndarray:
    """A smooth colour picture with some texture, uint8 [height, width, 3]."""
    rng = np.random.default_rng(7)
    coarse = np.kron(rng.uniform(size=(height // 8 + 1, width // 8 + 1, 3)), np.ones((8, 8, 1)))[:height, :width]
    return np.clip(255 * (0.8 * coarse + 0.2 * rng.uniform(size=(height, width, 3))), 0, 255).astype(np.uint8)


def worsened(image: np.ndarray, amount: float = 12.0) -> np.ndarray:
    noise = np.random.default_rng(8).normal(0, amount, image.shape)
    soft = ndimage.gaussian_filter1d(ndimage.gaussian_filter1d(image.astype(float), 0.7, axis=0), 0.7, axis=1)
    return np.clip(soft + noise, 0, 255).astype(np.uint8)


def slow_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang's definition in float64 with two-dimensional convolutions, one channel at a time."""
    x, y = np.meshgrid(np.arange(-5, 6), np.arange(-5, 6))
    window = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    results = []
    for channel in range(a.shape[2]):
        p, q = a[..., channel].astype(float), b[..., channel].astype(float)
        terms = []
        while min(p.shape) >= 11 and len(terms) < 5:
            mp, mq = (signal.convolve2d(v, window, mode="valid") for v in (p, q))
            pp, qq, pq = (signal.convolve2d(v, window, mode="valid") for v in (p * p, q * q, p * q))
            cs = (2 * (pq - mp * mq) + c2) / ((pp - mp**2) + (qq - mq**2) + c2)
            full = cs * (2 * mp * mq + c1) / (mp**2 + mq**2 + c1)
            terms.append((cs.mean(), full.mean()))
            p, q = (v[: v.shape[0] // 2 * 2, : v.shape[1] // 2 * 2] for v in (p, q))
            p, q = (signal.convolve2d(v, np.full((2, 2), 0.25), mode="valid")[::2, ::2] for v in (p, q))
        weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][: len(terms)])
        values = np.array([cs for cs, _ in terms[:-1]] + [terms[-1][1]])
        results.append(np.prod(values ** (weights / weights.sum())))
    return float(np.mean(results))


@pytest.mark.parametrize("size", SIZES)
def test_ms_ssim_agrees_with_the_definition(size):
    a = picture(*size)
    b = worsened(a)
    expected = slow_ms_ssim(a, b)
    assert 0.5 < expected < 0.999
    assert float(ms_ssim(a, b, peak=255.0)) == pytest.approx(expected, abs=2e-5)
    assert float(ms_ssim(a / np.float32(255), b / np.float32(255))) == pytest.approx(expected, abs=2e-5)


def test_psnr_agrees_with_the_definition():
    a = picture(40, 31)
    b = worsened(a)
    expected = 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))
    assert float(psnr(a, b, peak=255.0)) == pytest.approx(expected, abs=1e-4)
    assert float(psnr(a / np.float32(255), b / np.float32(255))) == pytest.approx(expected, abs=1e-4)


def test_a_picture_with_itself():
    a = picture(176, 180)
    assert np.isinf(psnr(a, a, peak=255.0))
    assert float(ms_ssim(a, a, peak=255.0)) == pytest.approx(1, abs=1e-6)


def test_worse_is_lower():
    a = picture(176, 180)
    assert psnr(a, worsened(a, 4), 255.0) > psnr(a, worsened(a, 20), 255.0)
    assert ms_ssim(a, worsened(a, 4), 255.0) > ms_ssim(a, worsened(a, 20), 255.0)


def test_a_negative_has_no_similarity_and_a_finite_gradient():
    a = jnp.asarray(picture(32, 32), jnp.float32) / 255
    assert float(ms_ssim(a, 1 - a)) < 0.1
    assert jnp.isfinite(jax.grad(lambda b: ms_ssim(a, b))(1 - a)).all()


def test_psnr_of_equal_pictures_has_no_gradient_and_leaves_the_others_theirs():
    a = jnp.stack([jnp.asarray(picture(16, 16), jnp.float32) / 255] * 2)
    b = a.at[1].add(0.1)
    gradient = jax.grad(lambda b: psnr(a, b).sum())(b)
    assert not gradient[0].any()
    # d/db of -10 log10(mean d²), d = 0.1 everywhere
    np.testing.assert_allclose(gradient[1], -20 / np.log(10) / 0.1 / a[1].size, rtol=1e-4)
    assert np.isnan(psnr(a, b * jnp.nan)).all()


def test_scales_by_size():
    assert [scale_count(side, 500) for side in (10, 11, 21, 22, 175, 176, 4000)] == [0, 1, 1, 2, 4, 5, 5]
    assert np.isnan(ms_ssim(np.zeros((10, 50, 3)), np.zeros((10, 50, 3))))
    assert sum(SCALE_WEIGHTS) == pytest.approx(1, abs=1e-3)


def test_batches_and_shapes():
    a = np.stack([picture(32, 40), worsened(picture(32, 40))])
    b = np.stack([worsened(picture(32, 40))] * 2)
    for metric in (psnr, ms_ssim):
        batch = metric(a, b, 255.0)
        assert batch.shape == (2,)
        assert float(batch[0]) == pytest.approx(float(metric(a[0], b[0], 255.0)), abs=1e-5)
    with pytest.raises(ValueError, match="one shape"):
        psnr(a, b[:, :-1])
    with pytest.raises(ValueError, match="one shape"):
        ms_ssim(a[0, ..., 0], b[0, ..., 0])


def photographs() -> tuple[np.ndarray, np.ndarray]:
    """A photograph of 240 x 256 pixels and a worse one, uint8."""
    from skimage import data

    a = np.ascontiguousarray(data.astronaut()[40:280, 120:376])
    noise = np.random.default_rng(5).normal(0, 9, a.shape)
    return a, np.clip(a.astype(float) * 0.9 + 12 + noise, 0, 255).astype(np.uint8)


def test_ms_ssim_agrees_with_pytorch_msssim():
    """Version 1.0.0 of the package, in float64 with PyTorch 2.13, gave these for `photographs`, its window 11, 1.5.

    `ms_ssim(a, b, data_range=255)`, and of both divided by 255 the gradient by b: the sum of its magnitudes, a pixel.
    """
    a, b = photographs()
    assert float(ms_ssim(a, b, 255.0)) == pytest.approx(0.9452407894486848, abs=1e-5)
    gradient = np.asarray(jax.jit(jax.grad(lambda y: ms_ssim(a / np.float32(255), y)))(b / np.float32(255)))
    assert np.abs(gradient).sum() == pytest.approx(3.154533891218666, rel=1e-3)
    expected = [-1.69924476e-05, 1.70829759e-05, 1.55811986e-05]
    np.testing.assert_allclose(gradient[100, 50], expected, rtol=5e-3)


def test_metrics_agree_with_scikit_image():
    """PSNR, and the one scale that a picture of 21 pixels has: SSIM where the window fits."""
    from skimage import metrics

    a, b = photographs()
    assert float(psnr(a, b, 255.0)) == pytest.approx(metrics.peak_signal_noise_ratio(a, b, data_range=255), abs=1e-4)
    a, b = a[100:121, 60:100], b[100:121, 60:100]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "truncate": 3.5}
    whole: Any = metrics.structural_similarity(a, b, data_range=255, channel_axis=-1, full=True, **options)[1]
    assert scale_count(21, 40) == 1
    assert float(ms_ssim(a, b, 255.0)) == pytest.approx(whole[5:-5, 5:-5].mean(), abs=1e-4)
