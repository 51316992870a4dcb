"""The Pillow plugin: open, look, load, save."""

import io

import jax
import numpy as np
import pytest
from PIL import Image, ImageCms, UnidentifiedImageError

import gllmm_jax.pillow
from gllmm_jax import BitstreamError, zoo
from gllmm_jax.codec.codec import Codec
from tests.codec.profiles import described


@pytest.fixture(autouse=True)
def known(mu_codec):
    return gllmm_jax.pillow.use(mu_codec)


@pytest.mark.parametrize("channels", [1, 3])
def test_there_and_back(mu_codec, photograph, tmp_path, channels):
    pixels = photograph(20, 33, channels)
    picture = Image.fromarray(pixels.squeeze())
    picture.save(tmp_path / "x.gllm", model=mu_codec)
    assert (tmp_path / "x.gllm").read_bytes() == mu_codec.compress(pixels)
    with Image.open(tmp_path / "x.gllm") as opened:
        assert (opened.format, opened.size, opened.mode) == ("GLLM", (33, 20), picture.mode)
        assert opened.info == {"model": "mu-random", "coder": "rans", "quality": None}
        assert opened.get_format_mimetype() == "image/x-gllm"
        again = np.asarray(opened).reshape(pixels.shape)
        assert np.array_equal(again, mu_codec.decompress(mu_codec.compress(pixels)))
        assert opened.resize((5, 5)).size == (5, 5) and opened.copy().tobytes() == opened.tobytes()


def test_from_memory_and_by_name(mu_weights, photograph, tmp_path):
    """A file opens once its weights have been used, and not before."""
    shows = jax.tree.map(lambda leaf: leaf * 2, mu_weights.params["g_s"])
    other = mu_weights._replace(name="mu-other", params=mu_weights.params | {"g_s": shows})
    zoo.save(tmp_path / "other.npz", other)
    pixels = photograph(20, 20)
    with pytest.raises(BitstreamError, match="needs the weights 'mu-other'"):
        Image.open(io.BytesIO(Codec(other).compress(pixels))).load()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="GLLM", model=tmp_path / "other.npz")
    buffer.seek(0)
    opened = Image.open(buffer)
    assert opened.convert("L").size == (20, 20) and not buffer.closed


def test_damage(mu_codec, photograph, tmp_path):
    data = mu_codec.compress(photograph(20, 20))
    (tmp_path / "cut.gllm").write_bytes(data[:-5])
    (tmp_path / "other.gllm").write_bytes(b"GIF8" + data)
    with pytest.raises(BitstreamError, match="cut short") as caught:
        Image.open(tmp_path / "cut.gllm")
    assert isinstance(caught.value, OSError)
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "other.gllm")


def test_a_thumbnail_is_decoded_small(mu_codec, photograph, tmp_path, monkeypatch):
    """Where a small picture is wanted, which is not smaller then than it was asked for."""
    scales, decode = [], mu_codec.decode
    monkeypatch.setattr(mu_codec, "decode", lambda *a, **named: scales.append(named["scale"]) or decode(*a, **named))
    rgba = np.dstack([photograph(50, 99), photograph(50, 99, 1)])
    Image.fromarray(rgba).save(tmp_path / "x.gllm", model=mu_codec)
    for size, scale, shown in (((12, 6), 4, (12, 6)), ((12, 12), 2, (12, 6)), ((40, 40), 1, (40, 20))):
        with Image.open(tmp_path / "x.gllm") as opened:
            opened.thumbnail(size)
            assert (opened.size, opened.mode, scales.pop()) == (shown, "RGBA", scale)
    with Image.open(tmp_path / "x.gllm") as opened:
        assert opened.draft(None, (20, 20)) == ("RGBA", (0, 0, 49.5, 25)) and opened.draft(None, (1, 1)) is None
        expected = mu_codec.decompress((tmp_path / "x.gllm").read_bytes(), scale=2)
        assert opened.size == (50, 25) and np.array_equal(np.asarray(opened)[..., :3], expected)
        assert abs(np.asarray(opened)[3, 4, 3] - rgba[6:8, 8:10, 3].mean()) <= 0.5


def test_what_cannot_be_saved(tmp_path):
    for mode in ("I;16", "F"):
        with pytest.raises(OSError, match=f"cannot write mode {mode} as GLLM: convert it to RGB or L first"):
            Image.new(mode, (4, 4)).save(tmp_path / "x.gllm")
    with pytest.raises(OSError, match=r"the image is in CMYK colours; .* approximately: convert=True"):
        Image.new("CMYK", (4, 4)).save(tmp_path / "x.gllm")
    assert not (tmp_path / "x.gllm").exists()


@pytest.mark.parametrize("options", [{"model": "mistyped"}, {"max_bytes": 3}, {"quality": 30}, {"coder": "none"}])
def test_a_failed_save_leaves_the_file_that_is_there(mu_codec, photograph, tmp_path, options):
    path = tmp_path / "x.gllm"
    path.write_bytes(b"what was there")
    for format in (None, "gllm"):
        with pytest.raises(OSError):  # noqa: PT011
            Image.fromarray(photograph(20, 20)).save(path, format, **{"model": mu_codec, **options})
    assert path.read_bytes() == b"what was there"
    Image.fromarray(photograph(20, 20)).save(tmp_path / "other.png")  # other formats are Pillow's own matter
    assert len(list(tmp_path.iterdir())) == 2


def test_all_of_it_is_kept(mu_codec, photograph, tmp_path):
    exif, xmp = Image.Exif(), b"<x:xmpmeta/>"
    exif[0x010F], exif[0x0112] = "Maker", 6
    picture = Image.fromarray(np.dstack([photograph(20, 33), photograph(20, 33, 1)]))
    picture.save(tmp_path / "a.webp", exif=exif, xmp=xmp, lossless=True, exact=True)
    with Image.open(tmp_path / "a.webp") as source:
        source.save(tmp_path / "a.gllm", model=mu_codec)
    with Image.open(tmp_path / "a.gllm") as opened:
        assert (opened.size, opened.mode, opened.info["xmp"]) == ((20, 33), "RGBA", xmp)
        assert (opened.getexif()[0x010F], opened.getexif()[0x0112]) == ("Maker", 1)
        upright = picture.transpose(Image.Transpose.ROTATE_270)
        assert np.array_equal(np.asarray(opened)[..., 3], np.asarray(upright)[..., 3])
        decoded = mu_codec.decompress(mu_codec.compress(np.ascontiguousarray(np.asarray(upright)[..., :3])))
        assert np.array_equal(np.asarray(opened)[..., :3], decoded)
    picture.save(tmp_path / "b.gllm", model=mu_codec, exif=exif, xmp=xmp)
    assert (tmp_path / "b.gllm").read_bytes() == (tmp_path / "a.gllm").read_bytes()
    picture.save(tmp_path / "c.gllm", model=mu_codec, exif=exif, strip=True)
    with Image.open(tmp_path / "c.gllm") as opened:
        assert (opened.size, "exif" in opened.info) == ((20, 33), False)
    with Image.open(tmp_path / "c.gllm") as opened:
        assert opened.convert("L").size == (20, 33)


def test_a_profile_is_converted_or_refused(mu_codec, photograph, tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    picture = Image.fromarray(photograph(20, 20))
    with pytest.raises(OSError, match="the image has the colour profile 'Swapped'; to turn it into sRGB: convert=True"):
        picture.save(tmp_path / "a.gllm", model=mu_codec, icc_profile=described("RGB "))
    picture.save(tmp_path / "a.gllm", model=mu_codec, icc_profile=described("RGB "), convert=True)
    picture.save(tmp_path / "b.gllm", model=mu_codec, icc_profile=lab)
    assert (tmp_path / "a.gllm").read_bytes() != (tmp_path / "b.gllm").read_bytes()
    assert (tmp_path / "b.gllm").read_bytes() == mu_codec.compress(photograph(20, 20))


def test_an_option_that_nobody_knows(mu_codec, photograph):
    buffer = io.BytesIO()
    with pytest.warns(UserWarning, match="GLLM has no option 'qualty': it is passed over"):
        Image.fromarray(photograph(20, 20)).save(buffer, "GLLM", model=mu_codec, qualty=30)
    assert buffer.getvalue() == mu_codec.compress(photograph(20, 20))
