# The project's commands. `./scripts/just RECIPE` does the same where just and uv are not installed.

set positional-arguments

# List the recipes
_list:
    @just --list --unsorted

# Start Thane; arguments go to `thane serve` (--config FILE)
run *args: (_sync "runtime")
    @exec .venv/bin/thane serve "$@"

# Run the tests; arguments go to pytest
test *args: (_sync "dev")
    @exec .venv/bin/python -m pytest -m "not e2e" "$@"

# Left out: a function without await may be async for its interface (124), a test's nursery may hold one task (112), names
# of startable functions are not listed (114), one may hand its task_status on (128); and 9xx, off unless asked for.
_trio := "--disable ASYNC112,ASYNC114,ASYNC124,ASYNC128,ASYNC900,ASYNC910,ASYNC911,ASYNC912,ASYNC913"

# Check style and the rules of asynchronous code
lint: (_sync "dev")
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    git ls-files -z '*.py' | xargs -0 .venv/bin/flake8-async {{ _trio }}

# Format, and mend what can be mended by itself
fmt: (_sync "dev")
    .venv/bin/ruff check --fix-only .
    .venv/bin/ruff format .

# Check the types
types: (_sync "dev")
    .venv/bin/basedpyright

# Measure latency and throughput against a fast fake model server
bench *args: (_sync "dev")
    @exec .venv/bin/python scripts/bench.py "$@"

# Have 10,000 conversations come and go, and see that nothing of them stays
soak *args: (_sync "dev")
    @exec .venv/bin/python scripts/soak.py "$@"

# Run the real program with real clients: all, or any of home-assistant, open-webui, browser, clients, llama-cpp
e2e *names: (_sync "dev")
    #!/bin/sh
    set -eu
    paths=
    for name in "$@"; do
        paths="$paths $(ls -d tests/e2e/test_*"$(printf %s "$name" | tr - _)"*)"
    done
    exec .venv/bin/python -m pytest -m e2e --timeout 900 ${paths:-tests/e2e}

# Run the test suites of others against the real program: all, or any of wire, clients, langchain, openai, openapi
conformance *suites: (_sync "runtime") (_sync "conformance")
    @exec .cache/conformance/venv/bin/python -m tests.conformance "$@"

# Kill Thane's storage 200 times at random moments, damage databases 200 times, and look at what is left
crash: (_sync "dev")
    @THANE_KILLS=200 THANE_DAMAGES=50 exec .venv/bin/python -m pytest --timeout 1800 tests/storage/test_killing.py tests/storage/test_repair.py

# Write the reference pages that come from the code
docs: (_sync "dev")
    .venv/bin/python scripts/docs.py

# Build the wheel, install it in an empty environment, start it and look at it
wheel: (_sync "dev")
    @exec .venv/bin/python scripts/check_wheel.py

# Everything that must hold before a change is done
check: lint types test wheel

# Remake the locked requirements, keeping versions that still fit; `--upgrade` takes the newest
lock *args:
    #!/bin/sh
    set -eu
    compile() {
        uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command 'just lock' "$@"
    }
    cd requirements
    compile "$@" --python-version 3.8 bootstrap.in -o bootstrap.txt
    compile "$@" --python-version 3.13 ../pyproject.toml -o runtime.txt
    compile "$@" --python-version 3.13 build.in -c runtime.txt -o build.txt
    compile "$@" --python-version 3.13 ../pyproject.toml build.in dev.in -c runtime.txt -c build.txt -o dev.txt
    compile "$@" --python-version 3.13 conformance.in -o conformance.txt

# Make `.venv` (for `conformance`, one of its own) hold the locked set NAME and the package itself
_sync name:
    @./scripts/sync "{{ name }}"
