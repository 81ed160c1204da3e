"""`crossfade model`: make bundles of models as they come, and look at bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossfade.models.types import Pooling

if TYPE_CHECKING:
    from crossfade.models.bundle import Bundle

app = typer.Typer(name="model", help="Import models as bundles, and look at bundles.", rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="A directory (sentence-transformers with safetensors, or an exported ONNX graph), a hub id like "
            "org/name, or minilm for the installed default.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle's directory.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="The bundle's name; by default the source's.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    pooling: Annotated[Pooling | None, typer.Option(help="How token vectors become one; overrides the source.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Token limit of a text; overrides the source.")] = None,
    query_prompt: Annotated[str | None, typer.Option(help="Put before each query; overrides the source.")] = None,
    document_prompt: Annotated[str | None, typer.Option(help="Put before each document; overrides the source.")] = None,
    as_json: _Json = False,
) -> None:
    """Make a bundle of a model, check it by running it, and print what it is."""
    from rich.console import Console

    from crossfade.models.importing import ImportOptions, import_model

    options = ImportOptions(pooling, max_tokens, query_prompt, document_prompt)
    # The status line shows on a terminal only; rich keeps it out of files and pipes.
    with Console(stderr=True).status(f"importing {source}") as status:

        def tell(step: str) -> None:
            if step.startswith("downloading"):
                status.stop()  # the hub's own bars take the terminal
            else:
                status.start()
                status.update(f"importing {source}: {step}")

        bundle = import_model(
            source,
            output,
            name=name,
            overwrite=overwrite,
            options=options,
            progress=tell,
        )
    _show(bundle, as_json)


@app.command()
def info(
    directory: Annotated[Path, typer.Argument(help="A bundle's directory.", show_default=False)],
    as_json: _Json = False,
) -> None:
    """Verify a bundle's files and print what it is."""
    from crossfade.models.bundle import Bundle

    _show(Bundle.load(directory), as_json)


def bundle_json(bundle: Bundle) -> dict[str, Any]:
    """What `--json` prints of a bundle."""
    parent = bundle.parent
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "dimension": bundle.dimension,
        "max_tokens": bundle.max_tokens,
        "pooling": bundle.pooling.value,
        "normalise": bundle.normalise,
        "precision": bundle.precision.value,
        "prompts": {
            "query": bundle.prompts.query,
            "document": bundle.prompts.document,
            "named": dict(bundle.prompts.named),
        },
        "query_adapter": bundle.adapter_path is not None,
        "document_fingerprint": bundle.document_fingerprint,
        "query_fingerprint": bundle.query_fingerprint,
        "bytes": sum((bundle.path / file).stat().st_size for file in bundle.manifest.files),
        "parent": None
        if parent is None
        else {
            "name": parent.name,
            "relation": parent.relation,
            "document_fingerprint": parent.document_fingerprint,
            "query_fingerprint": parent.query_fingerprint,
        },
    }


def _show(bundle: Bundle, as_json: bool) -> None:
    facts = bundle_json(bundle)
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    from rich.text import Text

    from crossfade.cli.output import table_console

    rows = _rows(facts)
    width = max(len(key) for key, _ in rows)
    console = table_console(soft_wrap=True)  # a path or fingerprint broken over two lines cannot be copied
    for key, value in rows:
        console.print(Text.assemble((key.ljust(width), "bold"), "  ", value))


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    same = facts["document_fingerprint"] == facts["query_fingerprint"]
    rows = [
        ("name", facts["name"]),
        ("path", facts["path"]),
        ("dimension", str(facts["dimension"])),
        ("max tokens", str(facts["max_tokens"])),
        ("pooling", facts["pooling"]),
        ("normalise", "yes" if facts["normalise"] else "no"),
        ("precision", facts["precision"]),
        ("query prompt", json.dumps(facts["prompts"]["query"], ensure_ascii=False)),
        ("document prompt", json.dumps(facts["prompts"]["document"], ensure_ascii=False)),
        *(
            (f"prompt {name}", json.dumps(prompt, ensure_ascii=False))
            for name, prompt in facts["prompts"]["named"].items()
        ),
        ("query adapter", "yes" if facts["query_adapter"] else "no"),
        ("document fingerprint", facts["document_fingerprint"]),
        ("query fingerprint", facts["query_fingerprint"] + (" (the same)" if same else "")),
        ("size", f"{facts['bytes'] / 1e6:.1f} MB"),
    ]
    if (parent := facts["parent"]) is not None:
        rows += [
            ("parent", f"{parent['name']} ({parent['relation']})"),
            ("parent fingerprint", parent["document_fingerprint"]),
        ]
    return rows
