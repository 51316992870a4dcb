"""A wish for a size or a PSNR: met with one analysis and few tries, or refused in a sentence."""

import numpy as np
import pytest

from gllmm_jax import metrics
from gllmm_jax.codec import transforms
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.quality import quality_of


@pytest.fixture(scope="module")
def image(photograph):
    return photograph(64, 80)


def test_a_size_is_met(vr_codec, image):
    sizes = [len(vr_codec.compress(image, quality=quality)) for quality in (0, 50, 100)]
    assert sizes == sorted(sizes)
    for limit in (sizes[1], sizes[1] + 7, (sizes[0] + sizes[1]) // 2, sizes[0], 10 * sizes[2]):
        found = len(vr_codec.compress(image, max_bytes=limit))
        assert found <= limit
        assert found >= 0.97 * min(limit, sizes[2])  # a step of the quality is a few bytes of so small a file
    wanted = 8 * sizes[1] * 0.9 / (64 * 80)
    assert vr_codec.encode(image, bpp=wanted).report.bpp == pytest.approx(wanted, rel=0.02)
    with pytest.raises(ValueError, match=f"the least that this picture takes is {sizes[0]:,} bytes"):
        vr_codec.compress(image, max_bytes=sizes[0] - 1)
    with pytest.raises(ValueError, match=r"bpp=100\.0 is out of reach: this picture takes"):
        vr_codec.compress(image, bpp=100.0)


def test_a_report_has_the_psnr_that_was_wished(vr_codec, image):
    wanted = metrics.psnr(image, vr_codec.decompress(vr_codec.compress(image, quality=30)), 255.0)
    data, report = vr_codec.encode(image, psnr=float(wanted))
    assert report.psnr == pytest.approx(float(wanted), abs=0.1)
    assert report.psnr == pytest.approx(float(metrics.psnr(image, vr_codec.decompress(data), 255.0)), abs=0.005)
    assert vr_codec.encode(image, quality=30).report.psnr is None


def test_the_file_that_meets_a_size_is_made_once(vr_codec, image, monkeypatch):
    plain, packed, pack = vr_codec.encode(image, quality=quality_of(127)), [], type(vr_codec).pack
    monkeypatch.setattr(type(vr_codec), "pack", lambda *given, **how: packed.append(pack(*given, **how)) or packed[-1])
    data, report = vr_codec.encode(image, max_bytes=len(plain.data))
    assert packed == [data] and data == plain.data  # where the search begins
    assert report._replace(seconds={}) == plain.report._replace(seconds={})


def test_wishes_that_cannot_be(vr_codec, mu_codec, image):
    with pytest.raises(ValueError, match="one wish at a time, not bpp and psnr"):
        vr_codec.compress(image, bpp=1.0, psnr=30.0)
    with pytest.raises(ValueError, match="max_bytes must be above zero and finite, not 0"):
        vr_codec.compress(image, max_bytes=0)
    for name, value in (("quality", "50"), ("quality", True), ("bpp", "1"), ("max_bytes", "900")):
        with pytest.raises(ValueError, match=f"{name} must be a number, not {value!r}"):
            vr_codec.compress(image, **{name: value})
    for wish in ({"quality": 50}, {"max_bytes": 1000}, {"bpp": 1.0}, {"psnr": 30.0}):
        with pytest.raises(ValueError, match="has one quality alone"):
            mu_codec.compress(image, **wish)


def wishes(codec, image, share):
    """Wishes so far between what the two ends of the range give."""
    least, most = (codec.compress(image, quality=quality) for quality in (0, 100))
    size = round((1 - share) * len(least) + share * len(most))
    ends = [float(metrics.psnr(image, codec.decompress(data), 255.0)) for data in (least, most)]
    height, width, _ = image.shape
    return {"max_bytes": size}, {"bpp": 8 * size / (height * width)}, {"psnr": (1 - share) * ends[0] + share * ends[1]}


@pytest.mark.parametrize("number", range(3), ids=["max_bytes", "bpp", "psnr"])
def test_a_wish_needs_one_analysis_and_six_tries(vr_codec, image, monkeypatch, number):
    wish, calls, tries = wishes(vr_codec, image, 0.3)[number], [], []

    def counted(function, into):
        return lambda *given, **how: into.append(1) or function(*given, **how)

    monkeypatch.setattr(transforms, "ungained", counted(transforms.ungained, calls))
    monkeypatch.setattr(Codec, "quantise", counted(Codec.quantise, tries))
    vr_codec.encode(image, **wish)
    assert len(calls) == 1
    assert 1 < len(tries) <= 6 + 1  # the file of the quality that was found


def test_the_psnr_of_a_report_is_that_of_the_file(vr_codec, image):
    def worse(codec, image, y_hat, z_hat, progress):
        return y_hat + 1, z_hat, {"rounds": 1.0}

    data, report = vr_codec.encode(image, **wishes(vr_codec, image, 0.5)[2], refine=worse)
    assert report.psnr == pytest.approx(float(metrics.psnr(image, vr_codec.decompress(data), 255.0)), abs=0.005)


def test_a_limit_holds_whatever_a_search_wants(vr_codec, image):
    def worse(codec, image, y_hat, z_hat, progress):
        return y_hat + np.random.default_rng(0).integers(-2, 3, y_hat.shape), z_hat, {"rounds": 1.0}

    limit = len(vr_codec.compress(image))
    assert len(vr_codec.encode(image, refine=worse, quality=50).data) > limit
    assert len(vr_codec.encode(image, refine=worse, max_bytes=limit).data) <= limit


@pytest.mark.parametrize("huge", [1e308, 10**400], ids=["float", "int"])
def test_huge_wishes(vr_codec, image, huge):
    for name in ("bpp", "psnr"):
        with pytest.raises(ValueError, match=f"^{name}=1.* is out of reach: this picture"):
            vr_codec.compress(image, **{name: huge})
    assert vr_codec.compress(image, max_bytes=huge) == vr_codec.compress(image, quality=100)


def test_a_limit_includes_what_a_picture_carries(vr_codec, image):
    chunks = {"exIf": bytes(500)}
    limit = len(vr_codec.compress(image)) + 250
    encoded = vr_codec.encode(image, max_bytes=limit, chunks=chunks)
    assert 0.9 * limit < len(encoded.data) <= limit
    assert vr_codec.unpack(encoded.data)[0].chunks == chunks


def test_a_pixel_has_wishes_too(vr_codec):
    for value in (116, 132, 255):
        pixel = np.full((1, 1, 1), value, np.uint8)
        assert len(vr_codec.compress(pixel, max_bytes=10_000)) <= 10_000
        for bpp in (8, 9999):
            with pytest.raises(ValueError, match=f"bpp={bpp} is out of reach"):
                vr_codec.compress(pixel, bpp=bpp)
        assert vr_codec.decompress(vr_codec.compress(pixel, quality=100)).shape == (1, 1, 1)
