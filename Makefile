# The same targets for developers and for CI. Each installs its requirements in .venv.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# LOCKED=1: only the versions of .ci/requirements.txt, each with its hash, as in CI.
ifeq ($(LOCKED),1)
INSTALL_DEV = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements.txt && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
else
INSTALL_DEV = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,dev]'
endif

.PHONY: attack audit lock demo conformance fuzz-compiler soak test test-wheel lint bench docs site man libnrt proto clean

demo: $(VENV)/.installed
	@$(BIN)/neuron-sim demo

# Runs test files in parallel, one more than there are processors, because many tests wait for programs. WORKERS=0: one
# after the other.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 1) + 1)
test: $(VENV)/.installed-dev
	@.ci/prometheus $(VENV)/debian
	@.ci/helm $(VENV)/debian
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --max-worker-restart 0

# The wheel in clean environments, with downloaded dependencies; make test links those of .venv instead.
test-wheel: $(VENV)/.installed-dev
	NEURON_WHEEL_DOWNLOAD=1 $(BIN)/python -m pytest --timeout 600 tests/wheel

# Every operator in every operator set, type and place against ONNX Runtime (ten minutes); make test runs a part of it.
conformance: $(VENV)/.installed-dev
	CONFORMANCE=all $(BIN)/python -m pytest -s tests/conformance

# Random graphs against ONNX Runtime; failing graphs are shrunk and written to tests/conformance/found.
MINUTES ?= 5
fuzz-compiler: $(VENV)/.installed-dev
	$(BIN)/python -m tests.conformance.fuzz --minutes $(MINUTES)

# Two minutes of random faults, kills and resets while all viewers run.
soak: $(VENV)/.installed-dev
	NEURON_SOAK_SECONDS=120 $(BIN)/python -m pytest -s tests/e2e/test_soak.py tests/runtime_core/libnrt/test_soak.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

# The generated files are checked in, so that users need no compiler; run it after changing a .proto file.
proto: $(VENV)/.installed-dev
	PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I. --python_out=. --mypy_out=quiet:. \
	  $$(git ls-files --cached --others --exclude-standard '*.proto')

docs: $(VENV)/.installed-dev
	$(BIN)/python -m runtime_core.compiler.operators > docs/reference/operators.md
	$(BIN)/python -m neuron_monitor.prometheus.docs > docs/reference/metrics.md
	$(BIN)/python -m dashboards
	cp 'tests/neuron_top/__snapshots__/test_snapshots/test_view[overview-120x40].svg' docs/images/neuron-top.svg

# The documentation site, in build/site; a broken link or a missing page is an error.
site: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# From the text of --help; read one with 'man -l build/man/neuron-ls.1'.
man: $(VENV)/.installed
	$(BIN)/python -m neuron_tools.manual build/man

# The C library of Runtime 2.x and its headers, for programs in C, C++ and Rust: PREFIX/lib and PREFIX/include.
PREFIX ?= build/neuron
libnrt: $(VENV)/.installed
	@$(BIN)/python -m runtime_core.libnrt.build $(PREFIX)

# Known vulnerabilities of the installed packages (from PyPI's advisory database), and a bill of materials (CycloneDX).
# Its programs have a separate environment, so that they are not audited. A package that cannot be audited is a
# failure.
audit: $(VENV)/.installed-dev build/audit/.installed
	build/audit/bin/cyclonedx-py environment --output-format JSON --output-file build/sbom.cdx.json $(BIN)/python
	build/audit/bin/pip-audit --strict --progress-spinner off --skip-editable \
	  --path $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# The versions and hashes that CI installs, for every supported Python. Updates all of them; review the changes.
lock: build/audit/.installed
	build/audit/bin/uv pip compile pyproject.toml --extra all --extra dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-annotate --no-header --quiet --output-file .ci/requirements.txt

# The programs of the extra, without the project and its requirements.
build/audit/.installed: $(VENV)/.made
	$(PYTHON) -m venv build/audit
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["audit"], sep="\n")' | \
	  build/audit/bin/python -m pip install --quiet --disable-pip-version-check -r /dev/stdin 'uv>=0.5'
	@touch $@

# All attacks: fuzzers, floods, namespaces, forged files, planted secrets. CI runs a short form as a test.
MINUTES ?= 20
attack: $(VENV)/.installed-dev
	$(BIN)/python -m tests.attack --minutes $(MINUTES)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3" >&2; exit 1; }
	@# In Debian, venv is a separate package.
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  echo "installing python3-venv" >&2; \
	  { apt-get update -qq && apt-get install -y -qq python3-venv; } >/dev/null && $(PYTHON) -m venv $(VENV); } || { \
	  echo "python3 -m venv does not work: install it with apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "setting up $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml
	@echo "setting up $(VENV)"
	@$(INSTALL_DEV)
	@touch $(VENV)/.installed $@
