# Bare `make` prints this help. Every target makes its own environment first, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
N ?= 10000

# One thread for each framework: the tests run side by side.
export OMP_NUM_THREADS ?= 1
export TF_NUM_INTRAOP_THREADS ?= 1
export TF_NUM_INTEROP_THREADS ?= 1
export TF_CPP_MIN_LOG_LEVEL ?= 3
export KERAS_BACKEND ?= tensorflow
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint format zoo conformance bench docs fuzz family oracles clean

help:  ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## train a small network on digits, convert it with its weights, compare; then ResNet-50
	@$(BIN)/python examples/demo.py

test: $(READY)  ## all tests but the long ones
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(READY)  ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(READY)  ## format the code and fix what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

zoo: $(READY)  ## convert and verify the networks of the zoos; the tables go to docs/zoo*.md
	@$(BIN)/python -m tests.zoo
	@$(BIN)/python -m tests.zoo.onnx_round

conformance: $(READY)  ## PyTorch's test databases and ONNX's backend tests; the tables go to docs/conformance*.md
	$(BIN)/python -m tests.conformance
	$(BIN)/python -m tests.conformance.onnx_run

bench: $(READY)  ## time and memory against torch.export and against the framework's own networks
	$(BIN)/python -m benchmarks

docs: $(READY)  ## generate the matrix, the op pages in docs/ and the example in README.md
	$(BIN)/python -m netglot.report.docs docs
	$(BIN)/python examples/readme.py

fuzz: $(READY)  ## N=10000 random networks, each converted and proven; and damaged files
	@$(BIN)/python -m tests.fuzz $(N)
	$(BIN)/python -m pytest -m fuzz -n $(WORKERS) --dist worksteal

family: $(READY)  ## 300 networks of Keras and 300 of PyTorch, each migrated to the other and trained on both sides
	@$(BIN)/python -m tests.migrate.family_to_torch 300
	@$(BIN)/python -m tests.migrate.family_to_keras 300

oracles:  ## environments of the frameworks that run what is written: MXNet, OpenCV, CNTK, Paddle, TensorFlow 1
	@tests/oracles/setup.sh build/oracles

clean:  ## remove what was made, the environment too
	rm -rf $(VENV) out build dist .pytest_cache .ruff_cache .hypothesis

# Torch comes first and by itself, at exactly this version: another one would pull gigabytes of GPU packages.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("netglot needs Python 3.11 or newer; give one with PYTHON=...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), once"
	@$(BIN)/python -m pip install --quiet torch==2.13.0
	@$(BIN)/python -m pip install --quiet torchvision==0.28.0 --constraint constraints.txt
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[torch,keras,onnx,coreml,zoo,dev]'
	@touch $@
