# Everything a newcomer runs. Python 3.11+, git and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 60
RUNS := $(VENV)/.runs
FLEET := $(VENV)/.fleet
INSTALLED := $(VENV)/.installed
DOCS := $(VENV)/.docs
FAST_TESTS := -n 2 --dist loadfile -m "not stack and not slow" --hypothesis-profile=fast

.DEFAULT_GOAL := help
.PHONY: help install hooks demo dev fleet-demo deploy-plan test-fast test test-pythons chaos soak lint lint-quick generate format bench docs pictures clean \
  distclean

help:  ## say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(RUNS): pyproject.toml constraints.txt
	@.ci/install $(PYTHON) $(VENV) local
	@touch $@

$(FLEET): pyproject.toml constraints.txt
	@.ci/install $(PYTHON) $(VENV) fleet
	@touch $@ $(RUNS)

$(INSTALLED): pyproject.toml constraints.txt
	@.ci/install $(PYTHON) $(VENV) local,dev
	@touch $@ $(RUNS) $(FLEET)

$(DOCS): pyproject.toml constraints.txt
	@.ci/install $(PYTHON) $(VENV) local,docs
	@touch $@

install: $(INSTALLED)  ## make the virtual environment, with all that tests and lint need

hooks: $(INSTALLED)  ## let git check what is committed (pre-commit)
	$(BIN)/pre-commit install

demo: $(RUNS)  ## local stack up, the shipped catalog enriched, the result and its cost printed
	@DEMO_INSTALL_SECONDS=$$(find $(VENV)/.install-seconds -mmin -1 -exec cat {} + 2>/dev/null); rm -f $(VENV)/.install-seconds; \
	  export DEMO_INSTALL_SECONDS; $(BIN)/manga-enrichment demo

dev: $(RUNS)  ## local stack and the Dagster UI on http://127.0.0.1:3000
	$(BIN)/manga-enrichment dev

fleet-demo: $(FLEET)  ## a night whose runs are tasks of a loopback ECS, history in PostgreSQL
	$(BIN)/manga-enrichment demo --fleet

deploy-plan: $(RUNS)  ## print the commands of a deployment on AWS, in order (docs/aws.md)
	@$(BIN)/manga-enrichment deploy-plan

test-fast: $(INSTALLED)  ## tests without the local stack, processes and waiting: under a minute
	$(BIN)/python -m pytest $(FAST_TESTS)

test: $(INSTALLED)  ## all tests, in three processes with a local stack each
	$(BIN)/python -m pytest -n 3 --dist loadfile

test-fleet: $(INSTALLED)  ## outages of a fleet with real processes: minutes each; its quickest case is in test
	$(BIN)/python -m pytest -m fleet manga_enrichment_tests/fleet

test-pythons: $(INSTALLED)  ## test-fast on every other supported Python that this machine has
	.ci/test-pythons $(FAST_TESTS)

chaos: $(INSTALLED)  ## every fault of every service at every moment: hours; docs/reliability.md
	$(BIN)/python -m manga_enrichment_tests.chaos

soak: $(INSTALLED)  ## MINUTES=60 of nights and partners under faults, kills and clock steps; docs/reliability.md
	$(BIN)/python -m manga_enrichment_tests.chaos.soak --minutes $(MINUTES)

lint-quick: $(INSTALLED)  ## formatting, lint, spelling, layers, dead names: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/typos
	$(BIN)/lint-imports
	$(BIN)/vulture

lint: lint-quick  ## all of lint-quick, and types, templates, OpenAPI, secrets, definitions
	$(BIN)/mypy
	$(BIN)/mypy --strict docs/manga_client.py
	$(BIN)/cfn-lint infra/*.yaml
	$(BIN)/openapi-spec-validator docs/openapi.json
	.ci/lint-openapi
	$(BIN)/pre-commit run --all-files detect-secrets
	$(BIN)/manga-enrichment check-definitions
	$(BIN)/manga-enrichment generate --out . --check

generate: $(INSTALLED)  ## write all files that follow from the analyses anew; lint holds them
	$(BIN)/manga-enrichment generate --out .
	$(BIN)/python -m manga_enrichment_tests.defs.definitions_snapshot

format: $(INSTALLED)  ## let ruff mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(DOCS)  ## docs/ as a site with search in site/; a link or a page that is missing is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --nitpicky --jobs auto --conf-dir docs . site
	@echo "Open site/index.html"

pictures: $(INSTALLED)  ## pictures for docs/, by Chromium, while make dev and manga-enrichment browse run after a demo
	$(BIN)/python -m manga_enrichment_tests.pictures $(PICTURES)

bench: $(INSTALLED)  ## benchmarks: a table and one JSON line each
	$(BIN)/python -m benchmarks

clean:  ## remove local data and caches; the environment stays
	rm -rf .local .dagster site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@for note in "$${TMPDIR:-/tmp}"/manga-postgres-*/belongs-to; do \
	  if [ -f "$$note" ] && [ ! -d "$$(cat "$$note")" ]; then rm -rf "$${note%/*}"; fi; done
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -not -path './.venvs/*' -prune -exec rm -rf {} +

distclean: clean  ## remove the environments, too
	rm -rf $(VENV) .venvs
