.DEFAULT_GOAL := help
.PHONY: help test lint faults format constraints

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test:  ## all tests
	tests/run

lint:  ## ruff, mypy, ShellCheck
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy
	git ls-files '*.sh' tests/run .ci/run | xargs .venv/bin/shellcheck

faults:  ## every fault, five rounds: what it cost and how long it lasted
	.venv/bin/python -m tests.faults --rounds 5

format:  ## let ruff format and mend
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

constraints:  ## pin the newest versions that pyproject.toml allows, for the oldest Python supported
	rm -rf .venv-pin && python3 -m venv .venv-pin
	.venv-pin/bin/pip install --quiet --editable '.[test,lint,bench]'
	.venv-pin/bin/pip freeze --exclude-editable | grep -v '@' > constraints.txt
	rm -rf .venv-pin
