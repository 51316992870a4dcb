# Needs Python 3.11 or later with pip, and nothing else. Environments are made on first use, and again when
# pyproject.toml changes.
#
#   make demo      compress photographs, decompress them, set them beside JPEG: demo/
#   make test      all tests but those marked slow, in the default environment
#   make test-all  those marked slow and no others; run both for all tests
#   make lint      ruff and pyright
#   make docs      the reference of the public modules: docs/
#   make peers     CompressAI's own models, and their weights read here: tensors, rates, bytes
#   make tfc       an environment with TensorFlow-Compression (JAX 0.5.3): .venv/tfc
#   make clean     all of the above goes

PYTHON ?= python3
PUBLIC = nn prob objective metrics entropy.rans order.schedule walk.loops walk.traceable codec.codec foreign.compressai foreign.gllmm evaluate.explain peers.table
PEERS ?= --steps 200
PYTEST ?= -q -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all lint docs peers tfc clean

demo: .venv/demo/ready
	.venv/demo/bin/python -m gllmm_jax demo -o demo --force

test: .venv/dev/ready
	.venv/dev/bin/python -m pytest $(PYTEST) $(addprefix --ignore=,$(OMIT))

test-all: .venv/dev/ready
	.venv/dev/bin/python -m pytest $(PYTEST) -m slow

lint: .venv/dev/ready
	.venv/dev/bin/ruff check .
	.venv/dev/bin/ruff format --check .
	.venv/dev/bin/pyright --pythonpath .venv/dev/bin/python

docs: .venv/dev/ready
	.venv/dev/bin/pdoc --docformat google --output-directory docs $(addprefix gllmm_jax.,$(PUBLIC))

# One thread: those of PyTorch wait for each other where other processes run.
peers: .venv/dev/ready .venv/peers/ready
	OMP_NUM_THREADS=1 .venv/peers/bin/python experiments/compressai_reference.py .venv/peers/made $(PEERS)
	.venv/dev/bin/python -m experiments.compressai_weights .venv/peers/made

tfc: .venv/tfc/ready .venv/tfc/layers

.venv/demo/ready: EXTRAS = eval
.venv/dev/ready: EXTRAS = dev,tfds
.venv/tfc/ready: EXTRAS = tfc,dev

# The layers of TensorFlow-Compression, for tests. They are Python alone and run with TensorFlow 2.17. Their package asks
# for 2.14, so it lies apart, where `pip check` does not see it.
.venv/tfc/layers: .venv/tfc/ready
	.venv/tfc/bin/python -m pip install --quiet --upgrade --target $@ --no-deps --only-binary=:all: --python-version 3.11 tensorflow-compression==2.14.1
	@touch $@

# CompressAI without what its image models do not use.
.venv/peers/ready:
	$(PYTHON) -m venv .venv/peers
	@echo "installing PyTorch and CompressAI into .venv/peers: some minutes the first time"
	.venv/peers/bin/python -m pip install --quiet torch==2.13.0 scipy pillow scikit-image tqdm requests einops pandas matplotlib
	.venv/peers/bin/python -m pip install --quiet --no-deps compressai==1.2.8 pytorch-msssim
	@touch $@

.venv/%/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11: name another, as in make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv/$*
	.venv/$*/bin/python -m pip install --quiet --upgrade pip
	@echo "installing gllmm-jax[$(EXTRAS)] into .venv/$*: a minute or two the first time"
	.venv/$*/bin/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf .venv demo docs build *.egg-info .pytest_cache .ruff_cache .hypothesis
