# make demo and make test are the two commands that a newcomer needs; each sets everything up.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What is compiled when it is installed.
NATIVE := $(wildcard server/*.pyx $(addprefix server/engine/*.,pyx pxi pxd h))
MODELS ?= serving/models
# make bench-full DATA_DIR=ml-latest-small.zip measures training on a local copy of it, too.
DATA_DIR :=
# make demo INDEX=scann trains a ScaNN index, too, and shows that it is served.
INDEX ?= auto

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all bench bench-full profile lint format protos clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11)' 2>/dev/null || \
	  { echo "recserve needs Python 3.11; say which: make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "installing into $(VENV) (about a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@rm -f server/*.so server/engine/*.so  # what cannot be built anew is not to be used
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e '.[demo,server,redis,serving,trainer,peers,scann,dev]'
	@touch $@

setup: $(STAMP)  ## .venv from pyproject.toml and constraints.txt

demo: $(STAMP)  ## get MovieLens-100k, train, publish, serve and recommend
	@$(BIN)/python -m client.demo --prepare --check --index $(INDEX) --models-dir $(MODELS)

test: lint  ## lint and every fast test
	@$(BIN)/python -m pytest -q -m "not slow"

test-all: lint  ## every test
	@$(BIN)/python -m pytest -q

bench: $(STAMP)  ## speed beside the floor and the peers, in under ten minutes
	@$(BIN)/python -m benchmarks.speed
	@$(BIN)/python -m benchmarks.speed.plots

bench-full: bench  ## and growth, training, start and release switch; about two hours
	@$(BIN)/python -m benchmarks.speed.full $(if $(DATA_DIR),--data-dir="$(DATA_DIR)")

profile: $(STAMP)  ## what limits us: where the gateway's time goes under load
	@$(BIN)/python -m benchmarks.speed.profile

lint: $(STAMP)  ## ruff, mypy and buf
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m protos.lint

format: $(STAMP)  ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protos: $(STAMP)  ## regenerate the committed protobuf modules
	@$(BIN)/python -m protos.generate

clean:  ## remove trained models and the gateway's store
	@rm -rf serving/models .recserve
