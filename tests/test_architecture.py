"""The rooms and who may enter them, read from the imports of every file, run or not."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT / "gllmm_jax"
FILES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES} - {PACKAGE})
EVERYTHING = [path for folder in ("gllmm_jax", "tests", "experiments") for path in (PROJECT / folder).rglob("*.py")]
LONGEST = 250

LEAVES = {
    "archive",
    "cache",
    "config",
    "errors",
    "files",
    "mesh",
    "metrics",
    "objective",
    "placement",
    "presets",
    "programs",
    "progress",
    "zoo",
}
"""Modules that know no room, and that every room may use."""

ROOMS = {
    "prob": set(),
    "layers": {"prob"},
    "nn": {"layers", "prob"},
    "foreign": {"nn"},
    "picture": set(),
    "container": set(),
    "entropy": {"prob"},
    "twin": {"nn", "prob"},
    "order": {"entropy", "twin", "nn", "prob"},
    "walk": {"container", "order", "entropy", "twin", "prob"},
    "codec": {"container", "walk", "order", "twin", "nn", "layers"},
    "lof": {"codec", "walk", "order", "nn", "layers", "prob"},
    "data": set(),
    "optimizer": {"nn"},
    "checkpoints": {"optimizer"},
    "train": {"checkpoints", "data", "optimizer", "nn", "prob"},
    "peers": set(),
    "evaluate": {"peers", "codec", "picture", "order", "twin", "nn", "prob"},
    "report": {"evaluate", "peers", "picture"},
    "transcode": {"codec", "container", "picture"},
    "pillow": {"transcode", "codec", "container", "picture"},
    "corpus": {"transcode", "codec", "picture"},
    "cli": {
        "corpus",
        "transcode",
        "foreign",
        "codec",
        "twin",
        "picture",
        "container",
        "lof",
        "checkpoints",
        "data",
        "train",
        "peers",
        "evaluate",
        "report",
    },
}
"""Which other rooms a room imports, all of them above it here. `train` and `codec` never meet."""

MOST_FILES = 12
"""In a room, besides its `__init__`: so many can be taken in at a glance."""

ARRAYS = {"jax", "jaxtyping", "numpy"}
LIBRARIES = {
    "prob": ARRAYS,
    "layers": ARRAYS | {"flax"},
    "nn": ARRAYS | {"flax"},
    "foreign": ARRAYS | {"jax2onnx", "onnx", "tensorflow"},
    "picture": {"numpy", "PIL"},
    "container": {"numpy"},
    "entropy": ARRAYS | {"tensorflow_compression_ops"},
    "twin": ARRAYS,
    "order": ARRAYS,
    "walk": ARRAYS,
    "codec": ARRAYS | {"flax"},
    "lof": ARRAYS,
    "data": ARRAYS | {"PIL", "grain", "tensorflow_datasets"},
    "optimizer": ARRAYS | {"optax"},
    "checkpoints": ARRAYS | {"orbax"},
    "train": ARRAYS | {"tqdm", "tensorboardX"},
    "peers": {"numpy", "PIL", "pillow_jxl", "imageio_ffmpeg"},
    "evaluate": ARRAYS | {"scipy", "bjontegaard", "matplotlib", "skimage"},
    "corpus": {"fsspec", "pyarrow", "ray"},
    "report": {"numpy", "PIL", "plotly"},
    "cli": {"jax", "tqdm"},
    "transcode": {"numpy"},
    "pillow": {"PIL"},
}
"""Which libraries beside Python's own a room imports, or may import of `ARRAYS`; a leaf has those of `prob`."""

OPTIONAL = {
    "optax": "train",
    "orbax": "train",
    "grain": "train",
    "tensorboardX": "train",
    "tensorflow_datasets": "tfds",
    "tensorflow": "tfc",
    "tensorflow_compression_ops": "tfc",
    "matplotlib": "eval",
    "scipy": "eval",
    "bjontegaard": "eval",
    "pillow_jxl": "peers",
    "imageio_ffmpeg": "peers",
    "skimage": "eval",
    "jax2onnx": "onnx",
    "onnx": "onnx",
    "ray": "ray",
    "fsspec": "ray",
    "pyarrow": "ray",
    "plotly": "report",
}
"""Libraries that an extra brings, and that extra."""


def room_of(path: Path) -> str:
    """The room's name, or that of a module which lies at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Full names of all modules a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            # `from gllmm_jax import zoo` imports a module, `from gllmm_jax.zoo import read` a name of one
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from names if node.module == "gllmm_jax" else [node.module or ""]


def own(path: Path) -> set[str]:
    """Rooms and leaves of this package that a file imports, its own room left out."""
    found = {name.split(".")[1] for name in imports(path) if name.startswith("gllmm_jax.")}
    return found - {room_of(path), "__version__"}


def others(path: Path) -> set[str]:
    """Libraries that a file imports, Python's own left out."""
    return {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"gllmm_jax"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_down(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):  # the front door opens the codec and the command line, lazily
        assert own(path) <= {"codec", "cli", "transcode"} | LEAVES
        assert not others(path)
    else:
        assert room in ROOMS or room in LEAVES, f"{room} is no room that is known"
        assert own(path) <= ROOMS.get(room, set()) | LEAVES
        assert others(path) <= LIBRARIES.get(room, ARRAYS)


def test_no_arrows_make_a_circle():
    rooms = list(ROOMS)
    assert not {room: upward for room in rooms if (upward := ROOMS[room] - set(rooms[: rooms.index(room)]))}


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_allowed_is_needed(room):
    files = [path for path in FILES if room_of(path) == room]
    assert ROOMS[room] <= set().union(*map(own, files))
    assert LIBRARIES[room] - ARRAYS <= set().union(*map(others, files))


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("pillow", "transcode")])
def test_a_room_says_what_it_is_for(room):
    assert ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_room_can_be_taken_in_at_a_glance(folder):
    assert len([path for path in FILES if path.parent == folder and path.stem != "__init__"]) <= MOST_FILES


@pytest.mark.parametrize("library", OPTIONAL)
def test_optional_libraries_have_one_door_that_says_what_to_install(library):
    doors = [path for path in FILES if library in others(path)]
    assert len(doors) <= 1, f"{library} is imported in {[str(path.relative_to(PACKAGE)) for path in doors]}"
    for path in doors:
        assert f"gllmm-jax[{OPTIONAL[library]}]" in path.read_text(), f"{path.name} does not name the extra"


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_file_is_long(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def loaded_after(statement: str) -> set[str]:
    """Names of all modules in a fresh Python that ran `statement`."""
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_the_package_alone_is_light():
    assert not {"jax", "flax", "numpy", "PIL"} & loaded_after("import gllmm_jax")


def test_the_codec_needs_no_training_and_no_figures():
    heavy = {"optax", "orbax", "grain", "tqdm", "tensorboardX", "tensorflow", "matplotlib", "skimage"}
    modules = loaded_after("import gllmm_jax.codec.codec, gllmm_jax.picture.picture, gllmm_jax.cli")
    assert "gllmm_jax.nn.model" in modules
    assert not heavy & modules
    away = ("foreign", "data", "optimizer", "checkpoints", "train", "evaluate", "report")
    assert not {f"gllmm_jax.{room}" for room in away} & modules
