"""One intra frame of HEVC or VVC, by the ffmpeg of imageio-ffmpeg: libx265 and libvvenc, 10 bits a sample.

libx265 takes 4:4:4. As ffmpeg calls it, libvvenc takes only 4:2:0. Pixels go through BT.601's YCbCr of full range,
which gave both codecs more PSNR than BT.709's. A frame is the picture continued to whole blocks of 8 pixels and to at
least 64 pixels on a side, because the encoders refuse smaller frames. The caller of the decoder gives the size again.
"""

import functools
import subprocess

import numpy as np

from gllmm_jax.peers.peer import Peer, Shape

LEAST, BLOCK = 64, 8
"""Least number of pixels on a side of a frame, and the number that a side is a multiple of."""

_EXACT = "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
_TO_YUV = f"scale=out_color_matrix=bt470bg:out_range=full:{_EXACT},format="
_TO_RGB = f"scale=in_color_matrix=bt470bg:in_range=full:{_EXACT},format=rgb24"

ENCODERS = {
    # no SEI message about the encoder's settings, which are 2,000 bytes
    "hevc": "-c:v libx265 -preset veryslow -tune psnr -x265-params qp={}:keyint=1:info=0:log-level=none",
    "vvc": "-c:v libvvenc -preset medium -qpa 0 -qp {}",
}
"""Options by format. A larger QP makes a smaller file."""

SAMPLES = {"hevc": "yuv444p10le", "vvc": "yuv420p10le"}


def peers() -> dict[str, Peer]:
    """The codecs by name."""
    return {
        "hevc-x265-4:4:4": _peer("hevc", range(51, -1, -1), tuple(range(48, 17, -3))),
        "vvc-vvenc-4:2:0": _peer("vvc", range(63, -1, -1), tuple(range(50, 16, -3))),
    }


def encode(kind: str, image: np.ndarray, qp: int) -> bytes:
    """A raw stream of one frame. Raises `ValueError` if ffmpeg refuses, `ImportError` if ffmpeg is missing."""
    height, width, channels = image.shape
    tall, wide = (max(LEAST, -(-side // BLOCK) * BLOCK) for side in (height, width))
    frame = np.pad(np.repeat(image, 3 // channels, axis=-1), ((0, tall - height), (0, wide - width), (0, 0)), "edge")
    pixels = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{wide}x{tall}", "-i", "-", "-frames:v", "1"]
    to_yuv = ["-vf", _TO_YUV + SAMPLES[kind]]
    return _run([*pixels, *to_yuv, *ENCODERS[kind].format(qp).split(), "-f", kind, "-"], frame.tobytes())


def decode(kind: str, data: bytes, shape: Shape) -> np.ndarray:
    """The picture in such a stream. Raises the errors of `encode`."""
    height, width, channels = shape
    tall, wide = (max(LEAST, -(-side // BLOCK) * BLOCK) for side in (height, width))
    pixels = _run(["-f", kind, "-i", "-", "-vf", _TO_RGB, "-f", "rawvideo", "-"], data)
    return np.frombuffer(pixels, np.uint8).reshape(tall, wide, 3)[:height, :width, :channels].copy()


def missing(kind: str) -> str | None:
    """What to install for a format."""
    try:
        there = encoders()
    except ImportError as error:
        return str(error)
    name = ENCODERS[kind].split()[1]
    return None if name in there else f"its ffmpeg has no {name}: pip install --upgrade imageio-ffmpeg"


@functools.cache
def encoders() -> frozenset[str]:
    """The names of all encoders of this ffmpeg. Raises the errors of `encode`."""
    lines = _run(["-encoders"], b"").decode(errors="replace").splitlines()
    return frozenset(words[1] for line in lines if len(words := line.split()) > 1)


def _peer(kind: str, qualities: range, curve: tuple[int, ...]) -> Peer:
    ways = functools.partial(encode, kind), functools.partial(decode, kind)
    library = f"imageio-ffmpeg, {ENCODERS[kind].split()[1]}"
    return Peer(library, kind, functools.partial(missing, kind), *ways, qualities, curve, outside=True)


def _run(arguments: list[str], given: bytes) -> bytes:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError("it needs imageio-ffmpeg: pip install 'gllmm-jax[peers]'") from error
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error"]
    done = subprocess.run([*program, *arguments], input=given, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(f"ffmpeg failed: {said[0] if said else f'status {done.returncode}'}")
    return done.stdout
