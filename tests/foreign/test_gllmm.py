"""Checkpoints of the GLLMM authors' layout, and the tensors that TensorFlow makes of a picture with them."""

import importlib.util
import sys

import jax
import numpy as np
import pytest

from gllmm_jax import zoo
from gllmm_jax.cli import main
from gllmm_jax.codec.codec import load
from gllmm_jax.foreign import gllmm
from gllmm_jax.nn.model import Model, apply
from tests.foreign.authors_graph import HIDDEN, LAYERS, Authors

INSTALLED = importlib.util.find_spec("tensorflow") is not None and LAYERS.is_dir()
needs_layers = pytest.mark.skipif(not INSTALLED, reason="runs in the environment of `make tfc`")

X = np.random.default_rng(1).uniform(size=(1, 64, 128, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a checkpoint, and TensorFlow's tensors of X."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("checkpoint")
    with tf.Graph().as_default():
        return folder, Authors(X, 4).save(folder)


@needs_layers
def test_every_tensor_is_theirs(written):
    folder, theirs = written
    config, params = gllmm.read(folder)
    assert (config.preset, config.widths, config.hidden, config.medians) == ("gllmm-4", (4,), HIDDEN, True)
    median = params["h_s"]["offset"]["offset"]

    def run(method, *arrays):
        return jax.tree.map(np.asarray, apply(config, params, *arrays, method=method))

    z_hat = np.rint(theirs["z_hat"] - median)
    mixture = run(Model.distributions, np.rint(theirs["y"]), z_hat)
    found = {
        "y": run(Model.analysis, X),
        "z": run(Model.hyper_analysis, theirs["y"]) + median,
        "z_hat": z_hat + median,
        "bits_z": run(Model.prior_bits, z_hat),
        "weights": np.exp(mixture.log_weight),
        "means": mixture.mean,
        "scales": mixture.scale,
        "x_hat": run(Model.synthesis, np.rint(theirs["y"])),
    }
    theirs = theirs | {"scales": np.maximum(theirs["scales"], 0.01)}
    assert found.keys() == theirs.keys() and np.rint(theirs["y"]).any() and z_hat.any()
    for name, value in found.items():
        assert np.abs(value - theirs[name]).max() <= 1e-4 * np.abs(theirs[name]).max(), name


@needs_layers
def test_what_is_no_such_checkpoint(written, tmp_path):
    found = gllmm.read_variables(written[0])
    bias, kernel = "hyper_analysis/layer_4/signal_conv2d/bias", "analysis/Block_1_layer_2_1/signal_conv2d/kernel_rdft"
    with pytest.raises(KeyError, match=f"the variable {bias}, here h_a/conv4/bias,"):
        gllmm.parameters({name: array for name, array in found.items() if name != bias})
    with pytest.raises(ValueError, match=rf"{kernel}, here g_a/down1/conv0/kernel, is \(4, 16\) and not \(9, 16\)"):
        gllmm.parameters(found | {kernel: found[kernel][:4]})
    with pytest.raises(ValueError, match="it has a variable analysis/more beside those of the model"):
        gllmm.parameters(found | {"analysis/more": found[bias]})
    with pytest.raises(ValueError, match="holds no gllmm-128: it is gllmm-4"):
        gllmm.read(written[0], "gllmm-128")
    (tmp_path / "model.ckpt-1.index").write_bytes(b"no checkpoint")
    for path in (tmp_path, tmp_path / "model.ckpt-1", tmp_path / "model.ckpt-2"):
        with pytest.raises(ValueError, match=f"{path} holds no GLLMM: TensorFlow reads no checkpoint"):
            gllmm.read(path)


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install 'gllmm-jax\[tfc\]'"):
        gllmm.read("model.ckpt-1500001")


@needs_layers
def test_from_the_command_line_to_a_file(written, tmp_path, capsys, make_folder):
    output, checkpoint = tmp_path / "authors.npz", written[0] / "model.ckpt-1500001"
    command = ["import", "gllmm", str(checkpoint), "-o", str(output), "--calibrate", str(make_folder())]
    assert main(command) == 0 and "authors.npz: authors, " in capsys.readouterr().out
    provenance = {"source": "the authors of GLLMM", "model": "gllmm-4", "file": checkpoint.name}
    assert zoo.read(output).provenance == provenance
    codec, picture = load(output), np.uint8(255 * X[0, :50, :70])
    encoded = codec.encode(picture)
    assert np.array_equal(codec.decode(encoded.data).image, codec.decompress(encoded.data))
