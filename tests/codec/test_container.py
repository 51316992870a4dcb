"""The container: exact, small, and unimpressed by damage."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gllmm_jax.container import container, varint
from gllmm_jax.container.container import Header, pack, unpack
from gllmm_jax.errors import BitstreamError

HEADER = Header("light-0.0130", b"\x01\x02\x03\x04", b"\x05\x06\x07\x08", 512, 768, "rgb", "rans", 0xDEADBEEF)


def resealed(data: bytes) -> bytes:
    """Damage that the checksum does not show."""
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")


def test_round_trip_in_about_forty_bytes():
    data = pack(HEADER, b"stream")
    assert unpack(data) == (HEADER, b"stream")
    assert len(data) - len(b"stream") <= 44


@given(
    model=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}", fullmatch=True),
    fingerprints=st.tuples(*[st.binary(min_size=4, max_size=4)] * 2),
    height=st.integers(1, 14000),
    width=st.integers(1, 14000),
    colour=st.sampled_from(container.COLOURS),
    crc=st.integers(0, 2**32 - 1),
    quality=st.none() | st.integers(0, 255),
    arithmetic=st.integers(1, 255),
    chunks=st.dictionaries(st.from_regex(r"[a-z][A-Za-z]{3}", fullmatch=True), st.binary(max_size=300), max_size=3),
    stream=st.binary(max_size=400),
)
def test_any_header_and_stream_round_trip(
    model, fingerprints, height, width, colour, crc, quality, arithmetic, chunks, stream
):
    header = Header(
        model, fingerprints[0], fingerprints[1], height, width, colour, "rans", crc, quality, arithmetic, chunks
    )
    assert unpack(pack(header, stream)) == (header, stream)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_an_error(tail):
    for data in (tail, container.MAGIC + tail, container.MAGIC + b"\x01" + tail):
        with pytest.raises(BitstreamError):
            unpack(data)


@given(st.data())
def test_resealed_damage_is_an_error_or_a_bounded_header(data):
    """Even with a checksum that fits, nothing but a `BitstreamError` comes out, and no header beyond the limits."""
    body = bytearray(pack(HEADER, b"stream"))
    body[data.draw(st.integers(0, len(body) - 5))] = data.draw(st.integers(0, 255))
    try:
        header, stream = unpack(resealed(bytes(body)))
    except BitstreamError:
        return
    assert header.height * header.width <= container.MAX_PIXELS
    assert len(stream) <= len(body)


def test_every_truncation_and_every_extension():
    data = pack(HEADER, bytes(range(100)))
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            unpack(data[:length])
    with pytest.raises(BitstreamError, match="damaged"):
        unpack(data + b"\0")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n", "this is a PNG picture, not a .gllm file"),
        (b"\xff\xd8\xff\xe0", "this is a JPEG picture, not a .gllm file"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "this is a WebP picture, not a .gllm file"),
        (b"hello", "this is not a .gllm file"),
        (b"\x8aG", "the file is cut short: only 2 bytes of it are here"),
        (b"\x8aGLM\x04", "the file has format version 4, newer than this program's 3: upgrade gllmm_jax to read it"),
        (b"\x8aGLM\x02", "the file has format version 2, of before the first release: nothing reads it any more"),
        (b"\x8aGLM\x03\x01\x00\x05li", "the file is cut short: its 10 bytes end within the header"),
        (pack(HEADER, bytes(5000))[:-1000], "the file is cut short or damaged: 4,043 of 5,043 bytes are here"),
        (pack(HEADER, b"stream")[:-1] + b"\0", "the file is damaged: its checksum does not match"),
    ],
)
def test_the_sentences(data, sentence):
    with pytest.raises(BitstreamError) as caught:
        unpack(data)
    assert str(caught.value) == sentence


def test_too_many_pixels_names_the_option():
    data = pack(HEADER._replace(height=20000, width=20000), b"")
    with pytest.raises(BitstreamError, match="max_pixels=400000000"):
        unpack(data)
    assert unpack(data, max_pixels=None)[0].height == 20000
    with pytest.raises(BitstreamError, match="more than the limit of 1,000"):
        unpack(pack(HEADER, b""), max_pixels=1000)


def test_a_number_without_end():
    body = pack(HEADER, b"stream")
    start = body.index(HEADER.synthesis) + 4
    with pytest.raises(BitstreamError, match="has no end"):
        unpack(resealed(body[:start] + b"\xff" * 10 + body[start:]))


def test_a_header_that_cannot_be_written():
    with pytest.raises(ValueError, match="no file can hold"):
        pack(HEADER._replace(model="no spaces"), b"")
    with pytest.raises(ValueError, match="a fingerprint has 4 bytes"):
        pack(HEADER._replace(synthesis=b"short"), b"")


def test_a_chunk_that_nobody_knows():
    """An optional one is passed over, a critical one named."""
    optional, critical = (
        pack(HEADER._replace(chunks={"noTe": b"?"}), b"s").replace(b"noTe", n) for n in (b"noTe", b"NoTe")
    )
    assert unpack(optional) == (HEADER._replace(chunks={"noTe": b"?"}), b"s")
    with pytest.raises(BitstreamError, match=r"^the file needs its chunk 'NoTe', which this version does not know"):
        unpack(resealed(critical))
    with pytest.raises(ValueError, match="NoTe"):
        pack(HEADER._replace(chunks={"NoTe": b""}), b"s")


def test_chunks_that_cannot_be():
    data = pack(HEADER._replace(chunks={"aaaa": b"", "bbbb": b""}), b"s")
    with pytest.raises(BitstreamError, match="two of its chunks have one name"):
        unpack(resealed(data.replace(b"bbbb", b"aaaa")))
    with pytest.raises(BitstreamError, match="no valid name"):
        unpack(resealed(data.replace(b"bbbb", b"b\xc3\xb6b")))
    place = data.index(b"aaaa") - 1
    with pytest.raises(BitstreamError, match="end within the header"):
        unpack(resealed(data[:place] + b"\x7f" + data[place + 1 :]))


def test_too_many_chunks_are_refused_before_they_are_read():
    """By `read` with the first bytes of the file, however long it is."""
    names = [f"a{i:03}".translate(str.maketrans("0123456789", "abcdefghij")) for i in range(257)]
    most = HEADER._replace(chunks=dict.fromkeys(names[:-1], b""))
    data = pack(most, b"s")
    assert unpack(data) == (most, b"s")
    with pytest.raises(ValueError, match="257 chunks, and may have 256"):
        pack(HEADER._replace(chunks=dict.fromkeys(names, b"")), b"s")
    place = data.index(b"aaaa") - 2
    assert data[place : place + 2] == varint.write(256)
    many = data[:place] + varint.write(1 << 20) + bytes(5 << 20)
    with pytest.raises(BitstreamError, match="it announces 1,048,576 chunks, and may have 256"):
        unpack(resealed(many))
    file = io.BytesIO(many)
    with pytest.raises(BitstreamError, match="and may have 256"):
        container.read(file)
    assert file.tell() == container.FIRST


class Endless(io.BytesIO):
    """A file that goes on with zeros for ever, and tells how much was read at once."""

    most = 0

    def read(self, count: int | None = -1) -> bytes:
        assert count is not None
        self.most = max(self.most, count)
        return super().read(count).ljust(count, b"\0")


@pytest.mark.parametrize(
    ("what", "most"), [("chunks", (64 << 20) + 8 * 64 * 128), ("a stream", (1 << 20) + 64 * 64 * 128)]
)
def test_what_a_small_picture_cannot_need_is_refused_before_it_is_read(what, most):
    small = HEADER._replace(height=1, width=65)
    data = pack(small._replace(chunks={"aaaa": b""}) if what == "chunks" else small, b"")
    place = data.index(b"aaaa") + 4 if what == "chunks" else len(data) - 5
    file = Endless(data[:place] + varint.write(most + 1))
    with pytest.raises(
        BitstreamError, match=f"announces {what} of {most + 1:,} bytes, and may have {most:,} for 65 x 1"
    ):
        container.read(file)
    assert file.most == container.FIRST
    file = Endless(data[:place] + varint.write(most))
    assert len(container.read(file)) >= most
    assert file.most <= 1 << 20  # at once


def test_a_file_that_nobody_could_read_is_not_written():
    with pytest.raises(ValueError, match="a stream of 8,388,608 bytes, and may have 1,310,720 for 1 x 1 pixels"):
        pack(HEADER._replace(height=1, width=1), bytes(8 << 20))


def test_a_later_version_leaves_this_one_readable(monkeypatch):
    """A made-up version 4, of the same layout after one further byte."""
    data = pack(HEADER, b"stream")
    later = resealed(container.MAGIC + b"\x04*" + data[len(container.MAGIC) + 1 :])
    monkeypatch.setitem(container.READERS, 4, lambda data, start: container.READERS[3](data, start + 1))
    assert unpack(later) == unpack(data) == (HEADER, b"stream")
    assert (container.version(later), container.version(data)) == (4, 3)
