"""Weights to test with, the `mu` preset, made on the fly from random parameters; and photographs to train on."""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from gllmm_jax import cache, zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.presets import PRESETS
from tests import parameters

# A process that holds the programs of a thousand tests has many objects: go through them seldom.
gc.set_threshold(100_000, 50, 50)


STRICT = {"jax_numpy_dtype_promotion": "strict", "jax_numpy_rank_promotion": "raise"}
"""Nothing of the package leaves it to JAX to make dtypes or ranks fit, so it runs in programs that forbid that."""

LEARNING = ("train", "checkpoints", "data", "optimizer", "lof", "nn")
"""Rooms whose tests have large programs, gradients above all, and run them a few times."""

AS_SHIPPED = ("test_shipped", "test_cli")
"""What files begin with whose programs are optimised as a user's are; what is exact is exact without it too."""

QUICK_COMPILER = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
"""Flags with which XLA compiles a training step in half the time, and which only some versions of JAX know."""

PROGRAMS = "GLLMM_JAX_TEST_PROGRAMS"
"""The variable that names a folder for compiled programs, which another test run may use too."""

MOST_MAPPINGS = 15_000
"""Pieces of memory that a process may have mapped when a file of tests is done, before its programs go."""


def pytest_configure(config: pytest.Config) -> None:
    """Strict arithmetic, and programs that are shared; both also in the processes that tests start.

    JAX 0.5.3 cannot share programs. XLA compiles quickly, unless it is given flags; an empty $XLA_FLAGS has it compile
    as it does for a user.
    """
    os.environ.pop(zoo.PLACES, None)
    for name, value in STRICT.items():
        os.environ[name.upper()] = value
        jax.config.update(name, value)
    if jax.__version_info__[:2] == (0, 10):
        os.environ.setdefault("XLA_FLAGS", QUICK_COMPILER)
    if not hasattr(config, "workerinput") and jax.__version_info__ >= cache.SINCE:
        folder = os.environ.get(PROGRAMS)
        if not folder:
            kept = tempfile.TemporaryDirectory(prefix="programs-")
            config.add_cleanup(kept.cleanup)
            folder = kept.name
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder  # for the processes to come, then for this one
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = str(cache.WORTH_KEEPING)
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", cache.WORTH_KEEPING)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: with one file a process, what is begun last should not take long."""
    items.sort(key=lambda item: item.path.parent.name not in LEARNING)


@pytest.fixture(scope="module", autouse=True)
def _compiled_in_a_hurry(request: pytest.FixtureRequest) -> Iterator[None]:
    # most of what tests take is XLA's compiler, and a good part of that its optimisation
    path = request.path
    if path.name.startswith(AS_SHIPPED):
        if path.name.startswith("test_shipped"):
            jax.clear_caches()  # of programs that other files have compiled in a hurry
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # for processes that tests start
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", False)
    if path.parent.name in LEARNING:
        jax.clear_caches()


@pytest.fixture(scope="module", autouse=True)
def _few_programs() -> Iterator[None]:
    # XLA maps several pieces of memory for a program, and dies where Linux grants no more of them, which is at 65,530
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()


def _photograph(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:height, :width] / 24
    waves = [np.sin(i * a + j * b + c) for a, b, c in rng.uniform(-1, 1, (channels, 3))]
    noise = rng.normal(0, 4, (height, width, channels))
    return np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def photograph():
    """The function (height, width, channels=3, seed=0) -> smooth shapes with some noise, uint8."""
    return _photograph


@pytest.fixture
def photo(tmp_path):
    """A small picture as the file photo.png in `tmp_path`."""
    path = tmp_path / "photo.png"
    Image.fromarray(_photograph(20, 20)).save(path)
    return path


@pytest.fixture(scope="session")
def random_params():
    """The function (config, seed=0) -> parameters; made by NumPy, which compiles nothing."""
    return parameters.random_params


@pytest.fixture(scope="session")
def mu_weights() -> zoo.Weights:
    """Random weights of the `mu` preset with their integer twin."""
    config = PRESETS["mu"]
    pictures = [_photograph(96, 96, seed=seed) for seed in range(2)]
    return make_weights("mu-random", config, parameters.random_params(config), pictures, {"lmbda": 0.013})


@pytest.fixture(scope="session")
def mu_codec(mu_weights) -> Codec:
    """The codec of `mu_weights`."""
    return Codec(mu_weights)


@pytest.fixture(scope="session")
def mu_file(mu_weights, tmp_path_factory):
    """`mu_weights` as a file."""
    path = tmp_path_factory.mktemp("weights") / "mu-random.npz"
    zoo.save(path, mu_weights)
    return path


@pytest.fixture(scope="session")
def vr_file() -> Path:
    """Small weights of every quality, as a file: those of the golden files."""
    return Path(__file__).parent / "golden" / "light-vr-golden.npz"


@pytest.fixture(scope="session")
def vr_codec(vr_file) -> Codec:
    """The codec of the weights in `vr_file`."""
    return Codec(zoo.read(vr_file))


@pytest.fixture
def install(monkeypatch) -> Callable[..., None]:
    """The function (folder, default=None): the models in `folder` are the installed ones, `default` among them."""

    def install(folder: Path, default: str | None = None) -> None:
        monkeypatch.setattr(zoo, "FOLDER", folder)
        if default is not None:
            monkeypatch.setattr(zoo, "DEFAULT", default)

    return install


@pytest.fixture
def only_mu(mu_file, install) -> None:
    """`mu-random` is installed and the default, and the only model."""
    install(mu_file.parent, default="mu-random")


@pytest.fixture
def no_cache(monkeypatch) -> None:
    """The command line leaves the compilation cache as it is."""
    monkeypatch.setenv("GLLMM_JAX_CACHE", "")


@pytest.fixture(scope="session")
def pieces() -> dict[str, np.ndarray]:
    """Photographs uint8 [112, 112, 3] by name: four scenes, two views of each (`rocket_001` and `rocket_001b`)."""
    from skimage import data

    pieces = {}
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        whole = getattr(data, name)()
        pieces[f"{name}_001"], pieces[f"{name}_001b"] = whole[60:][:112, :112], whole[80:][:112, 40 : 40 + 112]
    return pieces


@pytest.fixture
def make_folder(pieces, tmp_path) -> Callable[..., Path]:
    """The function (suffix=".png") -> folder that holds `pieces`."""

    def make(suffix: str = ".png") -> Path:
        folder = tmp_path / "photographs"
        folder.mkdir()
        for name, image in pieces.items():
            Image.fromarray(image).save(folder / f"{name}{suffix}")
        return folder

    return make


@pytest.fixture
def folder(make_folder) -> Path:
    """The photographs as PNG files."""
    return make_folder()
