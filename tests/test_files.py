"""Files that are written whole or not at all."""

import os
import subprocess
import sys

import pytest

from gllmm_jax import files


@pytest.mark.parametrize("name", ["x" * 255, "漢" * 83 + "ab", "漢" * 85], ids=["letters", "251 bytes", "255 bytes"])
def test_names_may_be_as_long_as_the_system_allows(name, tmp_path):
    files.write(tmp_path / name, b"old")
    files.write(tmp_path / name, b"new")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_permissions_stay(mode, tmp_path):
    path = tmp_path / "private"
    path.write_bytes(b"old")
    path.chmod(mode)
    files.write(path, b"new")
    assert path.stat().st_mode & 0o777 == mode


def test_a_link_is_followed_but_not_to_nowhere(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    files.write(tmp_path / "link", b"new")
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "nowhere").symlink_to("missing")
    with pytest.raises(files.WriteError, match=r"nowhere: it is a link to .*missing, which is not there"):
        files.write(tmp_path / "nowhere", b"new")
    assert not (tmp_path / "missing").exists()


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="there is no /dev/stdout")
def test_what_is_open_already_is_no_file_to_replace(tmp_path):
    """It is written on, as by anything else that writes there, whether it was sent to a file or a pipe."""
    code = "from gllmm_jax import files; files.check_free('/dev/stdout'); files.write('/dev/stdout', b'new')"
    with (tmp_path / "log").open("wb") as log:
        log.write(b"old, ")
        log.flush()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=log)
    assert (tmp_path / "log").read_bytes() == b"old, new" and len(list(tmp_path.iterdir())) == 1
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"new"
