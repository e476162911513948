# `make check` runs the linters and the quick tests; `make check-all` adds what takes long.
PYTHON ?= python

.PHONY: check check-all lint test viewer-test bench-quick

check: lint test viewer-test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	lint-imports --no-cache

# The page's own tests; installing the package has put its packages there.
viewer-test:
	cd viewer && npm run check && npm test

test:
	$(PYTHON) -m pytest

check-all: lint viewer-test
	VISUALDL_EMBEDDING_TRAINER_ENVS=build/trainers $(PYTHON) -m pytest -m "" --cov --cov-report=term
	$(PYTHON) tests/fuzz/fuzz_sources.py --seconds 20
	$(PYTHON) tests/trainers/paddlenlp_ernie.py --output build/ernie_report --environment build/trainers/paddlenlp
	$(MAKE) bench-quick

bench-quick:
	for script in overhead stall frame_cost stability report metrics calibration clean_tables server page; do $(PYTHON) benchmarks/$$script.py --quick || exit 1; done
	for script in $$(ls benchmarks | grep -v ^_ | grep py$$); do $(PYTHON) benchmarks/$$script --quick || exit 1; done
