# Two commands for a newcomer: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help console up wheel screenshots translations demo test check format resume-matrix exactness chaos job-life outbox bench bench-data bench-api bench-serving corpus fuzz-data tenant-matrix fuzz security docs lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

.venv/runtime: requirements/lock.txt pyproject.toml
	@echo "· creating .venv with the pinned packages (about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq -r requirements/lock.txt
	@$(BIN)/pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/runtime requirements/lock-dev.txt
	@echo "· adding the packages for tests and gates"
	@$(BIN)/pip install -qq -r requirements/lock-dev.txt
	@touch $@

.venv/fuzz: .venv/dev requirements/lock-fuzz.txt
	@$(BIN)/pip install -qq -r requirements/lock-fuzz.txt
	@touch $@

CONSOLE := tunesmith/console
$(CONSOLE)/static/vendor: $(CONSOLE)/assets/package-lock.json $(CONSOLE)/assets/fetch.sh .venv/runtime
	@echo "· fetching the console's libraries"
	@PYTHON=$(BIN)/python bash $(CONSOLE)/assets/fetch.sh

console: $(CONSOLE)/static/vendor  ## fetch what the web console needs; `tunesmith up` then serves it

up: .venv/runtime console  ## start the service with its web console on this machine
	@$(BIN)/tunesmith up

wheel: .venv/runtime console  ## build the package that people install, console included, into dist/
	@$(BIN)/pip wheel -qq --no-deps --no-build-isolation --wheel-dir dist .

demo: .venv/runtime  ## fine-tune a real model on the sample data and compare it with its base
	@bash examples/nl2json/demo.sh

test: .venv/dev console  ## run the test suite
	@bash tests/postgres.sh
	@bash tests/browser.sh
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/dev  ## run the gates: lint, format, types, layers, docstrings
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/basedpyright

format: .venv/dev  ## format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

resume-matrix: .venv/dev  ## kill training at many random steps and compare the final bytes
	@$(BIN)/python -m tests.proofs.resume_matrix

exactness: .venv/dev  ## train 1,000 random recipes and compare them with what was foretold
	@$(BIN)/python -m tests.proofs.exactness

chaos: .venv/dev  ## kill, freeze and starve the service's processes; nothing may be lost
	@bash tests/postgres.sh
	@$(BIN)/python -m tests.proofs.chaos

job-life: .venv/dev  ## walk at random through the life of jobs beside a model of it
	@bash tests/postgres.sh
	@$(BIN)/python -m tests.proofs.job_life

outbox: .venv/dev  ## tell 200 events through killed dispatchers and refusing receivers
	@$(BIN)/python -m tests.proofs.outbox

canary: .venv/dev  ## 5,000 attempts of one tenant to see another's secrets by way of deployed models
	@$(BIN)/python -m tests.proofs.canary

serving-soak: .venv/dev  ## an hour of mixed load on deployed models: no wrong one may answer, no memory may grow
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.proofs.serving_soak

bench: .venv/runtime  ## benchmarks P1, P2, P3 against TRL: make bench BENCH_DATA=alpaca_en_demo.json
	@$(BIN)/python -m benchmarks.training --data $(BENCH_DATA)

bench-data: .venv/runtime  ## benchmarks P4, P5: import and tokenize a million rows
	@$(BIN)/python -m benchmarks.data --base .cache/test-home/models/smollm2-135m

corpus: .venv/dev  ## read 790 malformed files, each in bounds of time and memory
	@$(BIN)/python -m tests.corpus.check

fuzz-data: .venv/fuzz  ## fuzz the readers of source files, guided by coverage: make fuzz-data FUZZ_SECONDS=3600
	@$(BIN)/python -m tests.fuzz.fuzz_dataset $(FUZZ_SECONDS)

tenant-matrix: .venv/dev  ## every route x verb x caller, against what the route declares
	@$(BIN)/python -m tests.api.matrix

fuzz: .venv/dev  ## 10,000 requests made from the OpenAPI file, with and without login
	@$(BIN)/python -m tests.api.fuzz

security: .venv/dev  ## names, websites, archives, credentials, floods: what an attacker would try
	@$(BIN)/python -m pytest -q tests/api/test_access.py tests/api/test_security.py tests/api/test_abuse.py

bench-serving: .venv/dev  ## benchmark P7: concurrent chats over adapters of one base
	@$(BIN)/python -m benchmarks.serving

bench-api: .venv/dev  ## benchmark P8: the API with 100 jobs and 20 clients
	@$(BIN)/python -m benchmarks.api

screenshots: .venv/dev console  ## pictures of every page of the console, into docs/screenshots
	@bash tests/browser.sh
	@$(BIN)/python -m tests.console.screenshots

translations: .venv/dev  ## put new texts of the console into its catalogs
	@$(BIN)/python -m tunesmith.console.translations.update

docs: .venv/runtime  ## write the parameter tables of docs/recipe.md anew
	@$(BIN)/python docs/parameters.py

lock:  ## resolve the dependencies anew and pin them
	@bash requirements/lock.sh

clean:  ## remove the environment and the demo's results
	rm -rf .venv .tunesmith
