"""Corpora that attack their reader."""

import pytest

from gllmm_jax.corpus.cluster import reason


@pytest.mark.parametrize("name", ["../b.txt", "sub/../../b.txt", "/etc/passwd"])
def test_no_name_leaves_its_place(place, name):
    for call in (place.read, place.remove, lambda name: place.write(name, b"")):
        with pytest.raises(ValueError, match=f"{name} does not lie in"):
            call(name)
    with pytest.raises(ValueError, match=f"{name} does not lie in"), place.opened(name):
        pass


def test_an_error_of_a_task_is_told_in_a_line():
    class Failed(Exception):
        """As those of Ray: their text is a traceback in colours."""

        cause: Exception | None = None

    error = Failed("\x1b[36mray::Read()\nTraceback")
    error.cause = Failed("\x1b[36mray::Read()")
    error.cause.cause = ValueError("this file has no rows\nit should")
    assert reason(error) == "this file has no rows"
    assert reason(Failed()) == "Failed"
