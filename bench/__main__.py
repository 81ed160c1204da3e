"""`make bench`: runs every bench/*/bench_*.py, one process each, and fails when one of them failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    scripts = sorted(HERE.glob("*/bench_*.py"))
    failed = []
    for number, script in enumerate(scripts, start=1):
        name = f"{script.parent.name}/{script.stem}"
        print(f"[{number}/{len(scripts)}] {name}", file=sys.stderr, flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{script.parent.name}.{script.stem}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
