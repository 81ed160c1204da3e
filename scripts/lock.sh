#!/usr/bin/env bash
# Resolves requirements/*.in into locks with hashes and without any registry's address. Needs uv on PATH. Versions stay
# as they are where they can; with UPGRADE=1 all are the newest.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    --no-annotate "$@"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "${UPGRADE:-}" ] || cp requirements/*.lock "$work"
compile requirements/bench.in --overrides requirements/overrides-bench.txt -o "$work/bench.lock"
compile requirements/dev.in --overrides requirements/overrides.txt -c "$work/bench.lock" -o "$work/dev.lock"
compile requirements/runtime.in --overrides requirements/overrides.txt -c "$work/dev.lock" -o "$work/runtime.lock"
compile requirements/infinity.in --overrides requirements/overrides-bench.txt -o "$work/infinity.lock"
# Every line carries the marker of the environments in pyproject.toml; once in the header says it.
python3 - "$work" <<'PY'
import re, sys
from pathlib import Path

cpu = r"\(platform_machine == '(?:aarch64|x86_64)' and platform_python_implementation == 'CPython' and sys_platform == 'linux'\)"
both = rf"\({cpu} or {cpu}\)"
for path in Path(sys.argv[1]).glob("*.lock"):
    text = path.read_text()
    text = re.sub(rf" ; python_full_version < '3.15' and {both} \\", r" \\", text)
    text = re.sub(rf" and {both} \\", r" \\", text)
    Path("requirements", path.name).write_text(
        "# Made by scripts/lock.sh for CPython 3.11 to 3.14 on Linux, x86_64 and aarch64; install with pip --no-deps.\n" + text
    )
PY
