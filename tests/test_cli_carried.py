"""What pictures carry, there and back on the command line."""

import io

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.cli import main
from gllmm_jax.container import container

pytestmark = pytest.mark.usefixtures("only_mu", "no_cache")


def run(capsys, *arguments, status=0) -> list[str]:
    """Lines on stderr."""
    assert main([str(argument) for argument in arguments]) == status
    return capsys.readouterr().err.splitlines()


def test_there_and_back(capsys, photograph, tmp_path):
    exif, alpha = Image.Exif(), np.arange(400).reshape(20, 20).astype(np.uint8)
    exif[0x010F] = "Maker"
    source, packed = tmp_path / "a.png", tmp_path / "a.gllm"
    Image.fromarray(np.dstack([photograph(20, 20), alpha])).save(source, exif=exif)
    assert run(capsys, "compress", source) == []
    for suffix, told in (("webp", []), ("jpg", ["JPEG holds no transparency: the picture is laid on white"])):
        back = tmp_path / f"back.{suffix}"
        assert run(capsys, "decompress", packed, "-o", back) == [f"gllmm-jax: {packed}: {line}" for line in told]
        with Image.open(back) as image:
            assert image.getexif()[0x010F] == "Maker"
            assert suffix == "jpg" or (np.asarray(image.getchannel("A")) == alpha).all()
    assert run(capsys, "compress", source, "--strip", "--force") == []
    assert set(container.unpack(packed.read_bytes())[0].chunks) == {"alph"}
    coarse = tmp_path / "coarse.jpg"
    run(capsys, "decompress", packed, "-o", coarse, "--output-quality", "20")
    assert coarse.stat().st_size < (tmp_path / "back.jpg").stat().st_size / 2
    line = run(capsys, "decompress", packed, "-o", tmp_path / "b.png", "--output-quality", "20", status=2)
    assert line == ["gllmm-jax: PNG has no quality to choose: JPEG, WebP and AVIF have"]
    for wrong in ("0", "101"):
        with pytest.raises(SystemExit):
            main(["decompress", str(packed), "--output-quality", wrong])


def test_a_part_and_a_small_picture(capsys, photograph, tmp_path):
    alpha, source, packed = photograph(40, 30, 1)[..., 0], tmp_path / "a.png", tmp_path / "a.gllm"
    Image.fromarray(np.dstack([photograph(40, 30), alpha])).save(source)
    run(capsys, "compress", source)
    run(capsys, "decompress", packed, "-o", tmp_path / "whole.png")
    run(capsys, "decompress", packed, "-o", tmp_path / "part.png", "--crop", "7,20,20,15")
    whole, part = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("whole", "part"))
    assert np.abs(part - whole[20:35, 7:27]).max() <= 1 and (part[..., 3] == alpha[20:35, 7:27]).all()
    assert main(["decompress", str(packed), "-o", str(tmp_path / "small.png"), "--scale", "8"]) == 0
    assert "small.png: 4 x 5" in capsys.readouterr().out
    with Image.open(tmp_path / "small.png") as small:
        assert small.size == (4, 5) and abs(np.asarray(small)[0, 0, 3] - alpha[:8, :8].mean()) <= 0.5
    line = run(capsys, "decompress", packed, "-o", tmp_path / "b.png", "--crop", "20,0,20,20", status=2)
    why = "the crop 20,0,20,20 reaches beyond the picture, which has 30 x 40 pixels"
    assert line == [f"gllmm-jax: {why}"]
    for wrong in (["--crop", "1,2,3"], ["--scale", "3"], ["--scale", "2", "--crop", "0,0,1,1"]):
        with pytest.raises(SystemExit):
            main(["decompress", str(packed), *wrong])


def test_pixels_alone_make_the_file_they_always_made(mu_codec, photo, tmp_path):
    with Image.open(photo) as image:
        pixels = np.asarray(image)
    assert main(["compress", str(photo)]) == 0
    assert (tmp_path / "photo.gllm").read_bytes() == mu_codec.compress(pixels)


def test_a_drawing_that_grows_is_told(capsys, tmp_path):
    for name, mode in (("p", "P"), ("1", "1"), ("l", "L")):
        Image.new(mode, (20, 20)).save(tmp_path / f"{name}.png")
        lines = run(capsys, "compress", tmp_path / f"{name}.png")
        sizes = [(tmp_path / f"{name}.{suffix}").stat().st_size for suffix in ("png", "gllm")]
        told = f"it grows from {sizes[0]} to {sizes[1]} bytes: drawings of few colours are smaller as PNG"
        assert sizes[1] > sizes[0]
        assert lines == ([] if mode == "L" else [f"gllmm-jax: {tmp_path / name}.png: {told}"])


def test_the_limit_of_pixels(capsys, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    line = run(capsys, "compress", photo, "--max-pixels", "399", status=2)
    told = "has 20 x 20 pixels, more than the limit of 399: --max-pixels 400 lifts it"
    assert line == [f"gllmm-jax: {photo} {told}"]
    assert run(capsys, "compress", photo, "--max-pixels", "400") == []


def test_standard_input_has_a_name(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"no picture")))
    line = run(capsys, "compress", "-", "-o", tmp_path / "x.gllm", status=2)
    assert line == ["gllmm-jax: standard input is not a picture that can be read here"]


def test_standard_input_has_a_limit(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("gllmm_jax.cli.pictures.BESIDE_PIXELS", 0)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bytes(801))))
    line = run(capsys, "compress", "-", "-o", tmp_path / "x.gllm", "--max-pixels", "100", status=2)
    assert line == ["gllmm-jax: standard input has more than 800 bytes, which a picture of --max-pixels does not need"]
