"""Writes docs/schemas from the types that write records. A test holds the two together."""

from __future__ import annotations

import json
from pathlib import Path

from crossfade.evaluation.decision.schema import decision_schema

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def main() -> None:
    SCHEMAS.mkdir(exist_ok=True)
    text = json.dumps(decision_schema(), indent=2, ensure_ascii=False) + "\n"
    (SCHEMAS / "decision-1.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
