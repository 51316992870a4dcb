"""What the package offers to other code: its list of names, their conventions, and the examples of its modules."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import flax.linen as linen
import pdoc
import pytest

from gllmm_jax import nn, prob

PACKAGE = Path(__file__).resolve().parent.parent / "gllmm_jax"


def parts() -> set[str]:
    """The modules that the table of parts imports, or imports from."""
    found: set[str] = set()
    for room, names in re.findall(r"\| `from (gllmm_jax\S*) import ([^`]+)` \|", (PACKAGE / "README.md").read_text()):
        whole = importlib.import_module(room)
        modules = [getattr(whole, name) for name in names.split(", ")]
        found |= {module.__name__ for module in modules if inspect.ismodule(module)} or {room}
    return found


def with_examples() -> set[str]:
    """Names of all modules with an example."""
    paths = [path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text()]
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]
    return {name.removesuffix(".__init__") for name in names}


def in_the_reference() -> set[str]:
    """The modules that `make docs` is about."""
    (names,) = re.findall(r"^PUBLIC = (.*)$", (PACKAGE.parent / "Makefile").read_text(), flags=re.MULTILINE)
    return {f"gllmm_jax.{name}" for name in names.split()}


def test_every_part_is_in_the_reference_and_has_an_example():
    assert (
        {"gllmm_jax.nn", "gllmm_jax.prob", "gllmm_jax.walk.loops"} <= parts() <= in_the_reference() <= with_examples()
    )


@pytest.mark.parametrize("module", sorted(with_examples()))
def test_the_example_runs(module):
    """Copied, so without what the module itself imports."""
    found = doctest.testmod(importlib.import_module(module), globs={})
    assert found.attempted > 2 and found.failed == 0


def test_examples_are_short():
    for module in with_examples():
        text = importlib.import_module(module).__doc__ or ""
        assert len(re.findall(r"^    (?:>>>|\.\.\.) ", text, flags=re.MULTILINE)) <= 30, module


@pytest.mark.parametrize("thing", [getattr(room, name) for room in (nn, prob) for name in room.__all__])
def test_public_names_are_documented_and_take_options_by_name(thing):
    assert inspect.getdoc(thing)
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.default is not parameter.empty and parameter.name not in ("parent", "name"):
            assert parameter.kind == parameter.KEYWORD_ONLY, parameter
    if inspect.isclass(thing) and issubclass(thing, linen.Module):
        assert issubclass(thing, nn.Model) or "param_dtype" in inspect.signature(thing).parameters


def test_the_reference_shows_the_public_names(tmp_path):
    pdoc.pdoc(*in_the_reference(), output_directory=tmp_path)
    for room in (nn, prob):
        page = (tmp_path / f"{room.__name__.replace('.', '/')}.html").read_text()
        assert all(f'id="{name}"' in page for name in room.__all__)
