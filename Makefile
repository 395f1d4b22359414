# Nightschool's verbs. `make up` is all that a newcomer needs; NIGHTSCHOOL_HOME and NIGHTSCHOOL_PORT choose where.
# Without compiled modules vLLM takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
RUN := .venv/bin

.PHONY: up demo check test bench lock

up:  ## set up where needed, start engine and server, print addresses and keys; Ctrl-C stops
	@scripts/bootstrap
	@exec $(RUN)/python -m serve.cli up

demo:  ## the whole loop on the shipped conversations, with the running installation or one of its own
	@scripts/bootstrap
	@exec $(RUN)/python -m serve.cli demo

check:  ## what a commit must pass: lint, types, floors, fast tests
	@scripts/bootstrap dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python -m pytest -q -m "not engine and not train and not browser and not gpu"

test:  ## set up with the development group, then every tier that this machine can run
	@scripts/bootstrap dev
	@scripts/browser
	@scripts/legacy-client
	@scripts/chat-clients
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python -m pytest -n 2 -m "not gpu"

bench:  ## every benchmark, the quick way
	@scripts/bootstrap dev
	@for file in bench/*.py; do echo "== $$file"; $(RUN)/python $$file --quick || exit 1; done

lock:  ## write requirements/*.lock anew
	@scripts/lock
