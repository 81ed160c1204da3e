"""`make demo`: the main job from end to end, with the commands a user would type.

Import the base model, build the demo data set, fit a candidate on its train half, serve both over gRPC, ingest, send
every test query to both, compare, and write demo/report.html and demo/report.json. What an earlier run left in
demo/work is used again as far as it still fits.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from crossfade.cli.output import write_json, write_text
from crossfade.client import Client, Vectors
from crossfade.errors import BundleError, CrossfadeError
from crossfade.evaluation.beir import read_beir
from crossfade.evaluation.compare import compare_runs
from crossfade.evaluation.dataset import Dataset, Run
from crossfade.evaluation.evaluate import DEFAULT_DEPTH, build_evaluation
from crossfade.evaluation.index import CorpusIndexes
from crossfade.evaluation.results import Comparison, Evaluation, ModelRef
from crossfade.models import Bundle, Encoder
from crossfade.report import render
from demo.build_dataset import build

HERE = Path(__file__).parent
STDERR = 2  # the descriptor: what commands print is talk here, the two paths at the end are the data
MODELS = ("base", "tuned")
COLLECTION = "stdlib"
WARM_UP = 20

console = Console(stderr=True, highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.run", description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE / "work", help="directory for bundles, data set and vectors")
    parser.add_argument("--output", type=Path, default=HERE, help="directory for report.html and report.json")
    options = parser.parse_args()
    begin = time.perf_counter()
    try:
        comparison = run(options.work)
        record = comparison.to_json()
        write_json(options.output / "report.json", record)
        write_text(options.output / "report.html", render(record))
    except CrossfadeError as error:
        console.print(f"demo: error: {error}", style="bold red", markup=False)
        return 2
    except subprocess.CalledProcessError as error:
        return error.returncode  # the command has said why
    except KeyboardInterrupt:
        console.print("demo: interrupted; what is done is kept for the next run")
        return 130
    show(comparison)
    console.print(f"done in {time.perf_counter() - begin:.0f} s")
    for name in ("report.html", "report.json"):
        print(os.path.relpath(options.output / name))
    return 0


def run(work: Path) -> Comparison:
    """Everything up to the comparison; `work` keeps what the next run can use."""
    work.mkdir(parents=True, exist_ok=True)
    step("the base model")
    base = import_base(work / "base")
    step("the demo data set: the standard library's docstrings, with queries and judgments")
    built = build(work / "python-stdlib")
    counts = built["queries"]
    console.print(f"  {built['documents']:,} documents; {counts['train']} train, {counts['test']} test queries")
    step("the candidate: a query adapter, fitted on the train half")
    crossfade(
        "train", "query-adapter", "--dataset", work / "python-stdlib", "--split", "train", "--model", base.path,
        "--cache", work / "vectors", "--name", "minilm-stdlib", "--overwrite", "-o", work / "tuned",
    )  # fmt: skip
    dataset = read_beir(work / "python-stdlib", "test")
    step("both models behind one gRPC server")
    with served({"base": base.path, "tuned": work / "tuned"}, work / "server.log") as client:
        step("ingest")
        ingest(client, dataset, base, work / "vectors")
        step(f"every test query to both models: {len(dataset.queries)} queries, one call each")
        runs, latencies = query_both(client, dataset)
        references = {
            model.name: ModelRef(model.bundle_name, model.query_fingerprint, model.document_fingerprint)
            for model in client.list_models()
        }
    step("compare")
    evaluations: dict[str, Evaluation] = {
        name: build_evaluation(dataset, runs[name], references[name], latencies[name]) for name in MODELS
    }
    return compare_runs(dataset, evaluations["base"], runs["base"], evaluations["tuned"], runs["tuned"])


def import_base(directory: Path) -> Bundle:
    """The base bundle; the one that is there when it is sound."""
    try:
        return Bundle.load(directory)
    except BundleError:
        crossfade("model", "import", "minilm", "--overwrite", "-o", directory)
        return Bundle.load(directory)


def ingest(client: Client, dataset: Dataset, base: Bundle, cache: Path) -> None:
    """Put the corpus into a collection both models can search: they embed documents alike.

    The vectors are those the candidate was fitted on, from the cache; the server takes them because their fingerprint
    is the collection's.
    """
    vectors = CorpusIndexes(dataset, cache=cache).vectors(Encoder(base)).vectors
    client.create_collection(COLLECTION, model="base")
    with bars() as progress:
        task = progress.add_task("documents", total=len(dataset.documents))
        client.upsert(
            COLLECTION,
            dataset.documents,
            vectors=Vectors(vectors, base.document_fingerprint),
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def query_both(client: Client, dataset: Dataset) -> tuple[dict[str, Run], dict[str, list[float]]]:
    """The run and the milliseconds of every query, by model. One call at a time, the models taking turns."""
    runs: dict[str, Run] = {name: {} for name in MODELS}
    latencies: dict[str, list[float]] = {name: [] for name in MODELS}
    for text in list(dataset.queries.values())[:WARM_UP]:
        for name in MODELS:
            client.search(COLLECTION, DEFAULT_DEPTH, model=name, texts=[text])
    with bars() as progress:
        task = progress.add_task("queries", total=len(dataset.queries) * len(MODELS))
        for number, (query_id, text) in enumerate(dataset.queries.items()):
            for name in MODELS if number % 2 else MODELS[::-1]:
                begin = time.perf_counter()
                found = client.search(COLLECTION, DEFAULT_DEPTH, model=name, texts=[text])
                latencies[name].append((time.perf_counter() - begin) * 1e3)
                runs[name][query_id] = {hit.id: hit.score for hit in found.hits[0]}
                progress.advance(task)
    return runs, latencies


@contextmanager
def served(models: dict[str, Path], log: Path) -> Iterator[Client]:
    """A client of a `crossfade serve` process that ends with the block."""
    command = ["serve", "--listen", "127.0.0.1:0"]
    for name, directory in models.items():
        command += ["--model", f"{name}={directory}"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            announced(*command), stdout=subprocess.PIPE, stderr=stream, text=True, start_new_session=True
        )
    try:
        with Client(address_of(process, log)) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        stdout: IO[str] | None = process.stdout
        if stdout is not None:
            stdout.close()


def address_of(process: subprocess.Popen[str], log: Path) -> str:
    """The address that the server prints when it is ready."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith("listening on "):
        raise CrossfadeError(f"the server did not start: see {log}")
    return line.removeprefix("listening on ").strip()


def announced(*arguments: str | Path) -> list[str]:
    """The command line of a crossfade command, shown as a user would type it."""
    words = [str(argument) for argument in arguments]
    shown = [os.path.relpath(word) if Path(word).is_absolute() else word for word in words]
    console.print(f"  $ crossfade {shlex.join(shown)}", style="dim", markup=False)
    return [sys.executable, "-m", "crossfade.cli.main", *words]


def crossfade(*arguments: str | Path) -> None:
    subprocess.run(announced(*arguments), check=True, stdout=STDERR)


def step(what: str) -> None:
    console.print(f"[bold]▸ {what}[/bold]")


def bars() -> Progress:
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def show(comparison: Comparison) -> None:
    """The verdict and the primary measure, in the terminal."""
    found = comparison.difference[comparison.primary]
    low, high = found.ci95
    console.print(f"\n[bold]verdict: {comparison.verdict.replace('_', ' ')}[/bold]")
    for reason in comparison.reasons:
        console.print(f"  - {reason}", markup=False)
    console.print(
        f"  {comparison.primary}: {comparison.base.measures[comparison.primary]:.4f} -> "
        f"{comparison.candidate.measures[comparison.primary]:.4f} ({found.delta:+.4f}, 95% {low:+.4f} to {high:+.4f})"
    )


if __name__ == "__main__":
    sys.exit(main())
