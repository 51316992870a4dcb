"""The command line's cache of compiled programs: where it is, and what damage to it does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jax._src.lru_cache import LRUCache

from gllmm_jax import cache

pytestmark = pytest.mark.usefixtures("no_cache")


def python(code: str, **environment: str) -> str:
    """Output of a fresh interpreter that writes no errors."""
    variables = {**os.environ, **environment}
    variables.pop("JAX_COMPILATION_CACHE_DIR", None)  # of the tests
    done = subprocess.run([sys.executable, "-c", code], env=variables, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_the_cache_folder(monkeypatch, tmp_path):
    assert cache.folder() is None
    monkeypatch.setenv("GLLMM_JAX_CACHE", str(tmp_path))
    assert cache.folder() == tmp_path
    monkeypatch.delenv("GLLMM_JAX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache.folder() == tmp_path / "gllmm_jax" / "xla"
        for unset in ("", "relative"):
            monkeypatch.setenv("XDG_CACHE_HOME", unset)
            assert cache.folder() == Path.home() / ".cache" / "gllmm_jax" / "xla"


CACHED = """
import jax, jax.numpy as jnp
from gllmm_jax import cache
cache.WORTH_KEEPING = 0
cache.enable()
assert jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((4, 4))).shape == (4, 4)
"""


def test_the_cache_fills(tmp_path):
    python(CACHED, GLLMM_JAX_CACHE=str(tmp_path / "new"))
    assert list((tmp_path / "new").glob("*-checked-cache"))  # not JAX's own


def test_no_cache_with_a_jax_that_reads_back_other_programs(tmp_path):
    """Seen with 0.5.3: the first decoding was right, the second, from the cache, was not."""
    older = f"import jax; jax.__version_info__ = (0, 5, 3)\n{CACHED}"
    python(older, GLLMM_JAX_CACHE=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_used_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "below", "/proc/nowhere", os.fsdecode(bytes(tmp_path) + b"/\xff"), "n" * 300):
        assert python(CACHED, GLLMM_JAX_CACHE=str(place)) == ""


def flipped(data: bytes) -> bytes:
    """One bit of the middle is turned."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


DAMAGES = [lambda data: b"", lambda data: data[:100], lambda data: b"no program" * 9, flipped]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_program_is_replaced_in_silence_and_no_other(tmp_path, damage):
    """JAX alone reads, rejects and recompiles such an entry at every call, or runs it."""
    python(CACHED, GLLMM_JAX_CACHE=str(tmp_path))
    first, *others = sorted(tmp_path.glob("*-cache"))
    whole = first.read_bytes()
    mine = [tmp_path / "empty", tmp_path / "notes.txt", tmp_path / "plain-cache"]  # in a folder that was there before
    for number, path in enumerate(mine):
        path.write_bytes(bytes(number))
    first.write_bytes(damage(whole))
    written = {path: path.stat().st_mtime_ns for path in others}
    assert python(CACHED, GLLMM_JAX_CACHE=str(tmp_path)) == ""
    assert len(first.read_bytes()) > len(whole) / 2
    assert others and {path: path.stat().st_mtime_ns for path in others} == written
    assert [path.stat().st_size for path in mine] == [0, 1, 2]


def test_programs_of_another_xla_are_replaced_in_silence(tmp_path):
    """They are whole, and cannot be used."""
    python(CACHED, GLLMM_JAX_CACHE=str(tmp_path))
    kept = cache.Checked(LRUCache(str(tmp_path), max_size=-1), tmp_path)
    entries = {path: path.read_bytes() for path in tmp_path.glob("*-cache")}
    for path in entries:
        path.unlink()
        kept.put(path.name.removesuffix("-checked-cache"), b"another program")
    python(CACHED, GLLMM_JAX_CACHE=str(tmp_path))
    assert entries and all(len(path.read_bytes()) > len(data) / 2 for path, data in entries.items())


def test_whatever_bit_turns(tmp_path):
    kept, program = cache.Checked(LRUCache(str(tmp_path), max_size=-1), tmp_path), bytes(range(8))
    assert kept.get("name") is None
    kept.put("name", program)
    assert kept.get("name") == program
    (path,) = tmp_path.iterdir()
    entry = path.read_bytes()
    for place in range(8 * len(entry)):
        bad = bytearray(entry)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        assert kept.get("name") is None
        assert not path.exists()  # or JAX would not put the next
    path.with_name("other-checked-cache").write_bytes(entry)
    assert kept.get("other") is None
    kept.put("name", program)
    assert kept.get("name") == program


def test_a_damaged_program_that_may_not_be_removed(tmp_path):
    """As in a cache that may only be read: it is not used, and no error."""
    kept = cache.Checked(LRUCache(str(tmp_path), max_size=-1), tmp_path / "another")
    (tmp_path / "name-checked-cache").write_bytes(b"damaged" * 9)
    assert kept.get("name") is None


def test_programs_that_nobody_uses_go(tmp_path):
    """Those of an earlier version of JAX would stay for ever."""
    kept = cache.Checked(LRUCache(str(tmp_path), max_size=-1), tmp_path)
    for name in ("recent", "used", "old"):
        kept.put(name, b"program")
    mine = tmp_path / "old-notes"
    mine.touch()
    month = time.time() - 30 * cache.DAY
    for path, at in ((entry(tmp_path, "used"), month), (entry(tmp_path, "recent"), month), (mine, 0)):
        os.utime(path, (at, at))
    os.utime(entry(tmp_path, "old"), (0, 0))
    assert kept.get("used") == b"program"
    assert time.time() - entry(tmp_path, "used").stat().st_mtime < cache.DAY
    assert entry(tmp_path, "recent").stat().st_mtime == pytest.approx(month)
    kept.put("new", b"program")
    assert [kept.get(name) for name in ("recent", "used", "new", "old")] == [*[b"program"] * 3, None]
    assert mine.exists()


def entry(folder: Path, name: str) -> Path:
    """The file of a program."""
    return folder / f"{name}-checked-cache"


def test_programs_that_cannot_be_checked_are_not_kept(tmp_path):
    """JAX has no public way for it, and the private one may go."""
    python(
        f"from jax._src import compilation_cache\ndel compilation_cache.get_file_cache\n{CACHED}",
        GLLMM_JAX_CACHE=str(tmp_path),
    )
    assert not list(tmp_path.iterdir())
