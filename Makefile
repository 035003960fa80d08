# Two commands: `make lab` to learn, `make test` to be sure. Both set up what they need.

# The first Python from 3.11 to 3.13; name another with `make PYTHON=… lab`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/ready
BROWSER := .venv/browser-ready
SITE_BIN := .venv-site/bin
SITE := .venv-site/ready
FONT_BIN := .venv-font/bin
FONT := .venv-font/ready
# The field test's environment is its own. On Linux the default wheel of PyTorch brings CUDA along.
FIELD_BIN := .venv-field-test/bin
FIELD := .venv-field-test/ready
TORCH := 2.13.0
TORCH_BUILD = torch==$(TORCH)$(if $(filter Linux,$(shell uname -s)),+cpu)
UV := 0.13.9

# JupyterLab would ask the network for news and for updates, and the reader whether it may.
NO_NEWS := --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

# In every process below: no log lines of TensorFlow's in outputs, the same floats on more processors, the CPU.
export TF_CPP_MIN_LOG_LEVEL = 3
export TF_ENABLE_ONEDNN_OPTS = 0
export CUDA_VISIBLE_DEVICES = -1
# Byte-code makes TensorFlow start three times as fast; some environments switch it off.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lab test test-browser ward seeds refresh translate font site claims claims-issue measured-pages release field-test lint format bench bench-browser lock clean help

help:            ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# Said on the command line only: many systems have a variable LANGUAGE, such as en_GB:en.
EDITION := $(if $(filter command,$(origin LANGUAGE)),$(LANGUAGE)/)

lab: $(READY)    ## open the first notebook in JupyterLab (on this machine only, with a token; LANGUAGE=zh)
	$(BIN)/jupyter lab --ip=127.0.0.1 $(NO_NEWS) $(if $(filter 0,$(shell id -u)),--allow-root) \
		--ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks/$(EDITION)00_start_here.ipynb

test: $(READY)   ## run everything: each notebook executed and compared, the helpers, the exercises
	$(BIN)/python -m pytest

test-browser: $(BROWSER) ## run the notebooks in JupyterLab in a headless Chromium
	$(BIN)/python -m pytest --override-ini=addopts= -p no:cacheprovider -v tests/browser

ward: $(READY)   ## the probes against 300 models with a known fault, drawn anew (COUNT=, SEED=)
	$(BIN)/python -m tests.ward $(or $(COUNT),300) $(SEED)

seeds: $(READY)  ## train the models of notebook 09 with five other seeds: docs/five_seeds.md (ten minutes)
	$(BIN)/python -m tools.five_seeds

refresh: $(READY) ## execute the notebooks again and store them in normal form (NB=notebooks/01_padding.ipynb for one)
	$(BIN)/python -m tests.refresh_notebooks $(NB)

translate: $(READY) ## bring the PO files and the notebooks of other languages up to date with the English
	$(BIN)/python -m tools.translate

font: $(FONT)    ## cut the font of the Chinese pictures anew: after a translation brought new characters
	$(FONT_BIN)/python -m tools.translate.font

site: $(SITE)    ## the published pages, in build/site; they need no network (MASKS_REPOSITORY=owner/name for links to Binder)
	@$(SITE_BIN)/python -m tools.build_site

slides: $(SITE)  ## decks of slides from the same notebooks, in build/slides; they need no network
	@$(SITE_BIN)/python -m tools.slides

claims: $(READY) ## which claims another Keras changes (KERAS=keras-nightly, TENSORFLOW=…, PATCH=file.py, NB="04 06", REPORT=file.md)
	@$(BIN)/python -m tools.claims --keras "$(KERAS)" --tensorflow "$(TENSORFLOW)" --patch "$(PATCH)" \
		--notebooks "$(NB)" $(if $(REPORT),--report "$(REPORT)")

claims-issue: $(READY) ## the report as the one issue on GitHub (REPORT=file.md); needs gh and its token
	@$(BIN)/python -m tools.claims.issue "$(REPORT)"

measured-pages: $(READY) ## measure the pages in docs/ again, each Keras in an environment of its own
	@$(BIN)/python -m tools.measured_pages

release: $(READY) ## copies to hand out: OUT=folder, with students' notebooks without solutions and the teacher's
	@$(BIN)/python -m tools.release "$(OUT)"

handout: site    ## the pages as PDFs, in build/handout, answers at the end; needs Chromium
	@$(SITE_BIN)/python -m tools.handout

field-test: $(FIELD) ## published models and tutorials under the probes: docs/field_test.md (MODELS="bert t5" for some)
	$(FIELD_BIN)/python -m tools.field_test $(MODELS)

lint: $(READY)   ## check style, in helpers, tests and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-browser: $(BROWSER) ## from key press to changed picture in the page, against interact
	$(BIN)/python -m tests.browser.bench

bench: $(READY)  ## how fast a slider move is, against interact + plt.subplots
	$(BIN)/python -m tests.bench_sliders

lock: $(READY)   ## pin every dependency again, with hashes, for all platforms
	$(BIN)/uv pip compile pyproject.toml --extra test --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet -o requirements.lock
	$(BIN)/uv pip compile requirements-browser.in --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet -o requirements-browser.lock
	$(BIN)/uv pip compile requirements-site.in --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet -o requirements-site.lock
	$(BIN)/uv pip compile requirements-font.in --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet -o requirements-font.lock
	$(BIN)/uv pip compile requirements-field-test.in --universal --python-version 3.11 \
		--excludes tools/field_test/excluded.txt --no-emit-package torch \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet -o requirements-field-test.lock

clean:           ## remove the environments
	rm -rf .venv .venv-site .venv-font .venv-field-test

# `ready` is written last: an install that was interrupted starts again from nothing.
# uv is three times as fast as pip; where it finds no index (a mirror that only pip is told of), pip does it.
$(READY): requirements.lock
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 found. Install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version): about a minute, once."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV) \
	  && UV_COMPILE_BYTECODE=1 VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

$(BROWSER): $(READY) requirements-browser.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-browser.lock
	@touch $(BROWSER)

# The pages have an environment of their own, without TensorFlow.
$(SITE): requirements-site.lock
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 found. Name one: make PYTHON=/path/to/python3.12 site"; exit 1; }
	@$(PYTHON) -m venv --clear .venv-site
	@$(SITE_BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-site.lock
	@touch $(SITE)

$(FONT): requirements-font.lock
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 found. Name one: make PYTHON=/path/to/python3.12 font"; exit 1; }
	@$(PYTHON) -m venv --clear .venv-font
	@$(FONT_BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-font.lock
	@touch $(FONT)

# The lock holds what PyTorch needs, and PyTorch itself comes by its version and its build: pip
# must know where the CPU builds are, from its own settings or from PIP_EXTRA_INDEX_URL.
$(FIELD): requirements-field-test.lock
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 found. Name one: make PYTHON=/path/to/python3.12 field-test"; exit 1; }
	@echo "Setting up .venv-field-test: 2.6 GB, some minutes, once."
	@$(PYTHON) -m venv --clear .venv-field-test
	@$(FIELD_BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-field-test.lock
	@$(FIELD_BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(TORCH_BUILD) \
	  || { echo "pip finds no $(TORCH_BUILD). Set PIP_EXTRA_INDEX_URL to the address that PyTorch's installation page gives for the CPU."; exit 1; }
	@$(FIELD_BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(FIELD)
