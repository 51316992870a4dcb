"""Names of parameters: they are what weights files and checkpoints are read by, so none changes by accident."""

import dataclasses
import difflib
from pathlib import Path

import jax
import pytest

from gllmm_jax.config import ModelConfig
from gllmm_jax.presets import PRESETS
from tests.parameters import shapes

PINNED = Path(__file__).parent / "mu_names.txt"


def names(config: ModelConfig) -> list[str]:
    """Path and shape of every parameter, sorted."""
    leaves = jax.tree_util.tree_leaves_with_path(shapes(config))
    return sorted(f"{'/'.join(entry.key for entry in path)} {'x'.join(map(str, leaf.shape))}" for path, leaf in leaves)


def test_the_names_of_mu():
    """A change here makes every weights file unreadable: rename the parameters in those shipped, too."""
    difference = difflib.unified_diff(PINNED.read_text().splitlines(), names(PRESETS["mu"]), "pinned", "now", n=0)
    assert not list(difference)


@pytest.mark.parametrize("block", ["plain", "leaky", "crm2", "crm3"])
@pytest.mark.parametrize("preset", ["light", "mu"])
def test_no_name_is_one_that_flax_made_up(preset, block):
    found = names(dataclasses.replace(PRESETS[preset], block=block))
    assert [name for name in found if name != name.lower()] == []  # as Conv_0
