# make train: environment, training on drawn pictures, AP on unseen ones, drawings.
# make check: environment, style, and all tests that are not marked slow: minutes, for every change.
# make test-slow: the tests that are too long for every change.
# make test-cluster: collections on a cluster of Ray.
# make test-browser: the page of mrcnn demo in a real browser.
# make test: environment, style, and the whole suite on TensorFlow, JAX and PyTorch: what must pass before a change lands.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
RUN = $(VENV)/bin/python
# What is never imported, most of the packages, is never compiled: Python compiles a file when it is first imported.
INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check --no-compile
export PYTHONDONTWRITEBYTECODE =
# Whole test files side by side, those with slow tests first, as tests/conftest.py puts them.
PYTEST = $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: test-slow test-cluster test-browser fuzz train check test style clean

train: $(VENV)/.installed
	$(RUN) samples/fashion.py train
	$(RUN) samples/fashion.py evaluate --weights last
	$(RUN) samples/fashion.py detect --weights last --limit 8

style: $(VENV)/.installed-test
	$(RUN) -m ruff check .

check: style
	$(PYTEST) -m "not slow and not long"

test: style
	$(PYTEST) -m "not long"
	@# JAX compiles for minutes what the other two build in seconds: there the backbones are tested within the network, and
	@# the compiler is told not to polish code that runs once, and what it compiled for one test serves the next.
	KERAS_BACKEND=jax JAX_COMPILATION_CACHE_DIR=$(abspath $(VENV))/jax_cache JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.2 \
		XLA_FLAGS="--xla_backend_optimization_level=0 $(XLA_FLAGS)" $(PYTEST) tests/ops tests/network \
		--ignore tests/network/test_backbones.py --ignore tests/network/test_efficientnet_lite.py \
		--ignore tests/network/test_dilation.py \
		-k "not both_heads_learn and not a_few_steps_learn" \
		tests/architectures/test_semantic.py tests/architectures/test_segmenter.py::test_resuming_gives_what_an_unbroken_run_gives
	KERAS_BACKEND=torch $(PYTEST) tests/ops tests/network tests/architectures -m "not long"

# CONTRIBUTING.md names them, and the tests of make test that hold their subjects.
test-slow: $(VENV)/.installed-test
	$(PYTEST) -m long

# The stamps make a second call quick; they are written last, so that an install cut short is done again.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python 3.11, or say where: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "requirements.lock needs Python 3.11 or newer, $(PYTHON) is older: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.packages: requirements.lock $(VENV)/.made
	$(INSTALL) --no-deps -r requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.packages setup.py pyproject.toml
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Beside .packages, which has no package in common with it: make -j2 installs both at once.
$(VENV)/.packages-test: requirements-test.lock $(VENV)/.made
	$(INSTALL) --no-deps -r requirements-test.lock
	@touch $@

# A torch built with CUDA cannot be imported without the nvidia packages that --no-deps leaves out: only then fetch them.
$(VENV)/.installed-test: $(VENV)/.packages-test $(VENV)/.installed
	@$(RUN) -c 'import torch' 2> /dev/null || $(INSTALL) $$(grep '^torch==' requirements-test.lock)
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Every reader against files changed at random; ends with 1 if one is neither read nor refused in one line.
fuzz: $(VENV)/.installed-test
	$(RUN) tests/fuzz/fuzz.py $(FUZZ_ARGS)

# A collection labelled on a cluster of three nodes of this machine, of which a worker, a node and the driver are killed.
test-cluster: $(VENV)/.installed-test
	$(INSTALL) "ray>=2.60"
	$(RUN) -m pytest -q tests/collections/test_ray_engine.py

# The page of mrcnn demo in Chromium (CHROMIUM=/usr/bin/chromium; on Debian apt install chromium npm), not part of make test.
test-browser: $(VENV)/.installed-test
	$(INSTALL) "gradio>=6,<7" playwright
	npm install --silent --prefix $(VENV)/npm axe-core
	AXE=$(abspath $(VENV))/npm/node_modules/axe-core/axe.min.js $(RUN) -m pytest -q tests/browser
