"""Corpora that attack their reader."""

import pytest


@pytest.mark.parametrize("name", ["../b.txt", "sub/../../b.txt", "/etc/passwd"])
def test_no_name_leaves_its_place(place, name):
    for call in (place.read, place.remove, lambda name: place.write(name, b"")):
        with pytest.raises(ValueError, match=f"{name} does not lie in"):
            call(name)
    with pytest.raises(ValueError, match=f"{name} does not lie in"), place.opened(name):
        pass
