"""Files that are written whole or not at all."""

import pytest

from gllmm_jax import files


@pytest.mark.parametrize("name", ["x" * 255, "漢" * 83 + "ab", "漢" * 85], ids=["letters", "251 bytes", "255 bytes"])
def test_names_may_be_as_long_as_the_system_allows(name, tmp_path):
    files.write(tmp_path / name, b"old")
    files.write(tmp_path / name, b"new")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"new"
