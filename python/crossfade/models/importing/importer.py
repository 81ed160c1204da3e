"""Makes a bundle of a model as it comes: a directory, a name on the hub, or the installed default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import InvalidInput
from crossfade.models.bundle import Bundle
from crossfade.models.graph import write_graph
from crossfade.models.importing.check import check_bundle
from crossfade.models.importing.locate import locate
from crossfade.models.importing.plan import GraphPlan, plan_graph
from crossfade.models.importing.source import Source, read_source
from crossfade.models.importing.tokenizer_file import bundle_tokenizer
from crossfade.models.manifest import TOKENIZER_FILE, Manifest, Prompts, check_name
from crossfade.models.session import PACKED, graph_properties
from crossfade.models.staging import check_target, moved, seal, staged
from crossfade.models.types import Pooling

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What overrides the source's own word; None leaves it."""

    pooling: Pooling | None = None
    max_tokens: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None


def import_model(
    source: str,
    output: Path,
    *,
    name: str | None = None,
    overwrite: bool = False,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Make a bundle at `output`, check it by running it, and return it.

    `source`: `minilm` (the installed default), a directory (sentence-transformers, or an exported ONNX graph), or the
    id of a model on the hub, "org/name". `name`: the bundle's name; by default the source's. `progress` is told each
    step in a few words. Nothing is left at `output` unless all of it worked.

    Raises InvalidInput for what is not supported or not sensible, BundleError for files that are broken or do not fit,
    AlreadyExists when `output` is a bundle and `overwrite` is false, NotFound and Unavailable from the hub.
    """
    output = Path(output)
    options = options or ImportOptions()
    tell = progress or (lambda _step: None)
    check_target(output, overwrite=overwrite)
    if name is not None:
        check_name(name)
    located = locate(source, tell)
    tell("reading the configuration")
    described = read_source(located.path)
    plan = plan_graph(described, options.pooling)
    manifest = Manifest(
        name=check_name(name or located.name),
        dimension=plan.dimension,
        max_tokens=_limit(options, described, plan),
        pooling=plan.pooling,
        normalise=described.normalise,
        precision=plan.precision,
        prompts=_prompts(options, described),
    )
    with staged(output, overwrite=overwrite) as staging:
        tell("building the graph")
        properties = graph_properties(plan.pooling, plan.dimension, normalise=described.normalise)
        if plan.packed:
            properties |= PACKED
        write_graph(plan.build(), staging, properties)
        tokenizer = bundle_tokenizer(described.transformer, described.config, lower_case=described.lower_case)
        (staging / TOKENIZER_FILE).write_bytes(tokenizer)
        bundle = seal(staging, manifest)
        tell("checking the bundle")
        check_bundle(bundle)
    return moved(bundle, output)


def _limit(options: ImportOptions, source: Source, plan: GraphPlan) -> int:
    asked, most = options.max_tokens, plan.max_tokens
    if asked is None:
        limits = [limit for limit in (source.max_tokens, most) if limit is not None]
        if not limits:
            raise InvalidInput(f"{source.root} does not say how many tokens the model reads: give --max-tokens")
        return min(limits)
    if asked < 1 or (most is not None and asked > most):
        top = f"to {most}, the number of positions that the model has" if most is not None else "up"
        raise InvalidInput(f"the token limit must be from 1 {top}, not {asked}")
    return asked


def _prompts(options: ImportOptions, source: Source) -> Prompts:
    query, document = options.query_prompt, options.document_prompt
    prompts = Prompts(
        query=source.prompts.query if query is None else query,
        document=source.prompts.document if document is None else document,
        named=source.prompts.named,
    )
    for prompt in (prompts.query, prompts.document, *prompts.named, *prompts.named.values()):
        try:
            prompt.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"the prompt {prompt!a} is not Unicode text: give it as UTF-8") from None
    return prompts
