# Every target sets up what it needs, once.

.PHONY: demo test lint types coverage clean

demo: .venv/.complete  ## train two small models on a made-up world and compare them (about 6 minutes on 2 cores)
	.venv/bin/lamlam demo --out runs/demo

test: .venv/.complete  ## all tests but the slow ones, in two processes
	.venv/bin/python -m pytest -q -m "not slow" -n 2

lint: .venv/.complete
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/.complete
	.venv/bin/mypy

coverage: .venv/.complete  ## of the rooms that must not lose a call or a fact
	.venv/bin/python -m pytest -q -m "not slow" tests/text tests/kb tests/corpus tests/cli \
	    --cov=lamlam.text --cov=lamlam.kb --cov=lamlam.corpus --cov-report=term --cov-fail-under=90

clean:
	rm -rf .venv runs/demo

.venv/.complete: pyproject.toml constraints.txt scripts/set-up scripts/install-postgresql
	scripts/set-up
