#!/usr/bin/env bash
# Says what is missing before anything is built, instead of failing half-way.
python=${1:-python3}
missing=0
need() { echo "crossfade: $1" >&2; missing=1; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  || need "$python is not Python 3.11 or newer: install one, or name it: make PYTHON=python3.12 ..."
"$python" -c 'import venv, ensurepip' 2>/dev/null \
  || need "$python cannot make virtual environments: install its venv package (Debian: python3-venv)"
command -v cargo >/dev/null || need "cargo is not on PATH: install a Rust toolchain, 1.89 or newer (rustup.rs)"
command -v cc >/dev/null || need "no C compiler (cc) on PATH: install one (Debian: build-essential)"
exit $missing
