.DEFAULT_GOAL := help
.PHONY: help test nightly lint faults fuzz format reference pins constraints audit

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test:  ## the tests that CI runs
	tests/run

nightly:  ## all tests, with the long forms and more examples of each property
	CI=true tests/run --nightly --timeout=900 --durations=15

lint:  ## ruff, mypy, the floors of imports, ShellCheck
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports
	git ls-files '*.sh' tests/run .ci/run | xargs .venv/bin/shellcheck

faults:  ## every fault, five rounds: what it cost and how long it lasted
	.venv/bin/python -m tests.faults --rounds 5

fuzz:  ## ten minutes of what strangers may send: executions and findings
	.venv/bin/python -m tests.security.fuzz --minutes 10

format:  ## let ruff format and mend
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

reference:  ## docs/reference.md, .env.example, docs/runbook.md and docs/alerts.yml, from the code
	.venv/bin/python -m tests.support.reference docs
	.venv/bin/python -m keepa_deals.diagnosis.runbook docs

# For every Python from the oldest supported on, with the sums of all files of a release. No addresses.
COMPILE = .venv-pin/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url

pins:  ## pin what pyproject.toml has that is not pinned yet; what is pinned stays
	rm -rf .venv-pin && python3 -m venv .venv-pin && .venv-pin/bin/pip install --quiet uv
	sed -n 's/^requires = \["\(setuptools.*\)"\]$$/\1/p' pyproject.toml > .venv-pin/build.in
	$(COMPILE) $(UPGRADE) --all-extras --output-file constraints.txt pyproject.toml .venv-pin/build.in
	cp constraints.txt .venv-pin/all.txt  # a list that is its own constraint could never change
	$(COMPILE) --constraints .venv-pin/all.txt --output-file .venv-pin/requirements.txt pyproject.toml .venv-pin/build.in
	cp .venv-pin/requirements.txt requirements.txt
	rm -rf .venv-pin

constraints:  ## pin the newest versions that pyproject.toml allows
	$(MAKE) pins UPGRADE=--upgrade

audit:  ## known vulnerabilities of the pinned packages (asks the package index about each; needs the network)
	rm -rf .venv-pin && python3 -m venv .venv-pin && .venv-pin/bin/pip install --quiet pip-audit
	.venv-pin/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --requirement constraints.txt
	rm -rf .venv-pin
