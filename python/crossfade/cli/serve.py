"""`crossfade serve`: the models and collections behind gRPC."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from crossfade.cli.evaluation_options import DeviceOption
from crossfade.config import Settings, load_settings
from crossfade.errors import InvalidInput
from crossfade.retrieval import Reranker
from crossfade.store import Store

log = logging.getLogger("crossfade")


def command(
    model: Annotated[
        list[str],
        typer.Option("--model", metavar="NAME=DIR", help="A bundle and the name to serve it under; repeatable."),
    ],
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to take calls; port 0 takes any free one.")
    ] = "127.0.0.1:50051",
    device: DeviceOption = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where collections are kept; without it they live in memory, and end with it."
        ),
    ] = None,
    reranker: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR",
            help="A cross-encoder bundle, or an embedding bundle to compare token by token (MaxSim); repeatable.",
        ),
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(help="Copies of each model, for as many batches at once; dealt out to all GPUs.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads for inference and search; 0 = all cores.")] = None,
    max_concurrent_calls: Annotated[int | None, typer.Option(help="Calls in progress before more are refused.")] = None,
    drain_seconds: Annotated[
        float | None, typer.Option(help="Time that calls in progress get after SIGTERM or Ctrl-C.")
    ] = None,
) -> None:
    """Serve models and collections over gRPC until SIGTERM or Ctrl-C.

    Prints one line with the address on stdout when calls are taken; logs on stderr.
    """
    # Here and not above: every other command starts faster without gRPC.
    from crossfade._native import check_bindable
    from crossfade.models import load_encoders
    from crossfade.niceness import nicely
    from crossfade.serving import logs
    from crossfade.serving.server import Server, serve
    from crossfade.store import DurableStore, MemoryStore, StoreSettings
    from crossfade.store.database import FILE
    from crossfade.store.read_only_disk import check_writable

    logs.set_up()
    settings = load_settings(
        device=device,
        replicas=replicas,
        threads=threads,
        max_concurrent_calls=max_concurrent_calls,
        drain_seconds=drain_seconds,
    )
    bundles = parse_models(model)
    # Before the models load: that takes seconds.
    check_bindable(listen)
    if store is not None:
        check_writable(store / FILE)
        if not (store / FILE).exists():
            log.warning("there is no store in %s: a new one is made there", store)
    start = time.perf_counter()
    encoders = nicely(
        settings.inference_niceness,
        lambda: load_encoders(
            bundles,
            threads=settings.threads,
            batch_tokens=settings.batch_tokens,
            device=settings.device,
            replicas=settings.replicas,
        ),
    )
    for name, encoder in encoders.items():
        bundle = encoder.bundle
        query, documents = bundle.query_fingerprint, bundle.document_fingerprint
        adapted = "" if query == documents else f" (queries {query})"
        log.info("model %s: %s, %d dimensions, %s%s", name, bundle.name, bundle.dimension, documents, adapted)
    log.info("loaded in %.1f s", time.perf_counter() - start)

    def ready(address: str) -> None:
        print(f"listening on {address}", flush=True)

    with ExitStack() as held:
        collections: Store = MemoryStore()
        if store is not None:
            start = time.perf_counter()
            collections = held.enter_context(DurableStore(store, StoreSettings.of(settings)))
            log.info("opened %s in %.1f s: %s", store, time.perf_counter() - start, _described(collections))
        named = parse_models(reranker or [], "reranker")
        rerankers = {name: open_reranker(directory, settings) for name, directory in named.items()}
        server = Server(encoders, collections, settings, rerankers)
        working = serve(server, listen, settings.drain_seconds, ready)
    if working:
        # Inference cannot be interrupted; waiting for its threads would outlast the drain's promise.
        log.info("stopped; %d threads were still at work for callers that are gone", working)
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
    log.info("stopped")


def _described(store: Store) -> str:
    found = [f"{collection.spec.name} ({len(collection)} documents)" for collection in store.list()]
    return ", ".join(found) or "no collections"


def open_reranker(directory: str, settings: Settings, *, spill: Path | None = None) -> Reranker:
    """Of a bundle's kind. `spill`: a directory for token vectors of documents that memory does not hold, while the
    process lives. Raises BundleError, and InvalidInput where nothing can be written there."""
    from crossfade.models import Bundle
    from crossfade.models.cross_bundle import CrossEncoderBundle, is_cross_encoder
    from crossfade.models.cross_encoder import CrossEncoder
    from crossfade.models.token_cache import CachedTokenEncoder
    from crossfade.models.token_encoder import TokenEncoder, TokenSource
    from crossfade.models.token_spill import SpilledTokenEncoder
    from crossfade.retrieval import CrossEncoderReranker, MaxSimReranker

    if is_cross_encoder(directory):
        cross = CrossEncoderBundle.load(directory)
        return CrossEncoderReranker(CrossEncoder(cross, threads=settings.threads, device=settings.device))
    encoder: TokenSource = TokenEncoder(Bundle.load(directory), threads=settings.threads, device=settings.device)
    if spill is not None:
        encoder = SpilledTokenEncoder(encoder, spill)
    return MaxSimReranker(CachedTokenEncoder(encoder, settings.reranker_cache_bytes), threads=settings.threads)


def parse_models(given: list[str], option: str = "model") -> dict[str, str]:
    """ "NAME=DIR" pairs by name. Raises InvalidInput for another form, an empty part, or a name given twice."""
    models: dict[str, str] = {}
    for pair in given:
        name, equals, directory = pair.partition("=")
        if not equals or not name or not directory:
            raise InvalidInput(f"--{option} {pair!r} cannot be read: write NAME=DIR, such as base=models/minilm")
        if name in models:
            raise InvalidInput(f"--{option} names {name!r} twice: give each its own name")
        models[name] = directory
    return models
