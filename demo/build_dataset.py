"""Build the demo data set: a BEIR directory made from this interpreter's docstrings and the committed queries.

    python -m demo.build_dataset [DIRECTORY]      default: demo/work/python-stdlib

Writes corpus.jsonl, queries.jsonl, qrels/train.tsv, qrels/test.tsv and dataset.json (counts, versions, hashes), all or
nothing. A directory that was built from the same interpreter, queries and code is left as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import secrets
import shutil
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from crossfade.cli.progress import StageBars
from crossfade.errors import CrossfadeError, InvalidInput
from crossfade.evaluation.dataset import Progress
from demo.corpus import Corpus, read_corpus
from demo.queries import NOT_RELEVANT, QUERIES, SPLITS, Query, read_not_relevant, read_queries

HERE = Path(__file__).resolve().parent
OUTPUT = HERE / "work" / "python-stdlib"
SUMMARY = "dataset.json"
FORMAT = "crossfade demo data set 1"
_CODE = ("build_dataset.py", "corpus.py", "docstrings.py", "harvest.py", "queries.py", "signatures.py")


def build(output: Path = OUTPUT, progress: Progress | None = None) -> dict[str, Any]:
    """Build the data set at `output`, or find it built already; return what dataset.json holds.

    `documents`: how many there are. `queries`: `written`, `train`, `test`, `by_kind` of each half, and `left_out`, the
    ids of queries whose every grade-3 document this interpreter lacks. `judgments`: how many documents are relevant in
    `train` and in `test`; how many more were judged `not_relevant` (grade 0); how many relevant ones of these queries
    are `absent` from this interpreter.
    `progress`: (stage, done, total).

    Raises DataError when queries.jsonl is malformed, InvalidInput when `output` is something else or cannot be written,
    CrossfadeError when the interpreter's docstrings cannot be read.
    """
    inputs = inputs_hash()
    found = _summary(output)
    if found is not None and found["inputs"] == inputs and _is_whole(output, found["files"]):
        return found
    if found is None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InvalidInput(f"{output} exists and is not a demo data set: remove it, or name another directory")
    queries = read_queries()
    not_relevant = read_not_relevant(queries)
    corpus = read_corpus(progress)
    try:
        return _replace(output, lambda directory: _write(directory, corpus, queries, not_relevant, inputs))
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror or error}; choose another place") from error


def inputs_hash() -> str:
    """SHA-256 (hex) of all that the data set depends on: this interpreter, the queries, the code that reads both."""
    state = hashlib.sha256()
    library = sysconfig.get_path("stdlib")
    for part in (sys.version, platform.platform(), library, str(Path(library).stat().st_mtime_ns)):
        state.update(f"{part}\0".encode())
    for name in (*_CODE, QUERIES.name, NOT_RELEVANT.name):
        state.update(hashlib.sha256((HERE / name).read_bytes()).digest())
    return state.hexdigest()


def select(queries: Iterable[Query], known: frozenset[str]) -> tuple[list[Query], list[str], int]:
    """The queries that `known` documents can answer, with the judgments of those documents only.

    Returns them, the ids of the others (no document of grade 3 is known), and the count of judgments that were dropped
    from queries that stay.
    """
    kept, left_out, dropped = [], [], 0
    for query in queries:
        if known.isdisjoint(query.targets):
            left_out.append(query.id)
            continue
        relevant = {document: grade for document, grade in query.relevant.items() if document in known}
        dropped += len(query.relevant) - len(relevant)
        kept.append(Query(query.id, query.kind, query.split, query.text, relevant))
    return kept, left_out, dropped


def _summary(output: Path) -> dict[str, Any] | None:
    """What an earlier build left at `output`; None when that is no demo data set."""
    try:
        summary = json.loads((output / SUMMARY).read_text(encoding="utf-8"))
        return summary if summary["format"] == FORMAT else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _is_whole(output: Path, files: dict[str, str]) -> bool:
    return all((output / name).is_file() and _sha256(output / name) == digest for name, digest in files.items())


def _replace(output: Path, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Let `write` fill a directory beside `output`, then put that in its place; return what `write` returned."""
    output.parent.mkdir(parents=True, exist_ok=True)
    new = output.with_name(f".{output.name}.{secrets.token_hex(6)}.new")
    old = new.with_suffix(".old")
    try:
        summary = write(new)
        if output.exists():
            output.rename(old)
        new.rename(output)
    finally:
        if old.exists() and not output.exists():
            old.rename(output)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return summary


def _write(
    directory: Path, corpus: Corpus, queries: Sequence[Query], not_relevant: dict[str, list[str]], inputs: str
) -> dict[str, Any]:
    known = frozenset(document["_id"] for document in corpus.documents)
    kept, left_out, dropped = select(queries, known)
    zeros = {query.id: [name for name in not_relevant.get(query.id, ()) if name in known] for query in kept}
    (directory / "qrels").mkdir(parents=True)
    _write_lines(directory / "corpus.jsonl", (json.dumps(one, ensure_ascii=False) for one in corpus.documents))
    texts = ({"_id": query.id, "text": query.text, "metadata": {"kind": query.kind}} for query in kept)
    _write_lines(directory / "queries.jsonl", (json.dumps(one, ensure_ascii=False) for one in texts))
    for split in SPLITS:
        rows = [
            f"{query.id}\t{name}\t{grade}"
            for query in kept
            if query.split == split
            for name, grade in (*query.relevant.items(), *((name, 0) for name in zeros[query.id]))
        ]
        _write_lines(directory / "qrels" / f"{split}.tsv", ("query-id\tcorpus-id\tscore", *rows))
    files = ("corpus.jsonl", "queries.jsonl", *(f"qrels/{split}.tsv" for split in SPLITS))
    summary: dict[str, Any] = {
        "format": FORMAT,
        "inputs": inputs,
        "python": {"implementation": platform.python_implementation(), "version": platform.python_version()},
        "documents": len(corpus.documents),
        "documents_by_kind": _counts(document["metadata"]["kind"] for document in corpus.documents),
        "modules": corpus.modules,
        "modules_skipped": corpus.skipped,
        "queries": {
            "written": len(queries),
            "left_out": left_out,
            **{split: sum(query.split == split for query in kept) for split in SPLITS},
            "by_kind": {split: _counts(query.kind for query in kept if query.split == split) for split in SPLITS},
        },
        "judgments": {
            **{split: sum(len(query.relevant) for query in kept if query.split == split) for split in SPLITS},
            "not_relevant": sum(map(len, zeros.values())),
            "absent": dropped,
        },
        "files": {name: _sha256(directory / name) for name in files},
    }
    _write_lines(directory / SUMMARY, (json.dumps(summary, indent=2),))
    return summary


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0 done, 2 impossible, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m demo.build_dataset", description="Build the demo data set.")
    parser.add_argument(
        "directory", type=Path, nargs="?", default=OUTPUT, help="where to put it (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        with StageBars() as bars:
            summary = build(options.directory, bars)
    except CrossfadeError as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    print(json.dumps(summary, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
