"""The documents promise only what is there: linked files, commands and their options, make targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from crossfade.cli.commands import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORDS = r"[a-z][a-z-]*"


def commands() -> dict[str, set[str]]:
    """Every command, as typed after `crossfade`, with its options."""
    found: dict[str, set[str]] = {}

    def walk(command: object, path: tuple[str, ...]) -> None:
        options = {name for parameter in getattr(command, "params", []) for name in parameter.opts}
        found[" ".join(path)] = options | {"--help"}
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


COMMANDS = commands()


def mentioned(text: str) -> list[str]:
    """Command lines in code: `crossfade ...` at the start of inline code or of a line in a code block."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.S)
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`\n]+)`", prose)
    return [line.split("#")[0] for line in lines if line.startswith("crossfade ")]


def unknown(line: str) -> str | None:
    words = line.split()[1:]
    path: list[str] = []
    for word in words:
        if " ".join([*path, word]) not in COMMANDS:
            break
        path.append(word)
    rest = words[len(path) :]
    if not path and (not rest or not rest[0].startswith("-")):
        return f"no such command: {line}"
    for option in (word.split("=")[0] for word in rest if re.fullmatch(rf"--{WORDS}(=.*)?|-[a-z]", word)):
        if option not in COMMANDS[" ".join(path)]:
            return f"no such option {option}: {line}"
    return None


def test_the_commands_are_found() -> None:
    assert {"serve", "evaluate", "compare", "model import", "model info", "train query-adapter"} <= COMMANDS.keys()
    assert unknown("crossfade serve --model base=x") is None
    assert unknown("crossfade quantise x") is not None
    assert unknown("crossfade serve --turbo") is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_promises_what_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert [fault for line in mentioned(text) if (fault := unknown(line))] == []
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (document.parent / link).exists()] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(rf"`make ({WORDS})", text)) | set(re.findall(rf"^make ({WORDS})", text, flags=re.M))
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, flags=re.M)] == []
