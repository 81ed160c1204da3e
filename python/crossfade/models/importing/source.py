"""What a model directory says about itself: modules, pooling, prompts, token limit, as sentence-transformers lays out.

Followed: sentence-transformers 2 to 6 (modules.json, 1_Pooling/config.json, sentence_bert_config.json,
config_sentence_transformers.json).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.importing.dense import DenseModule, describe_dense
from crossfade.models.importing.files import read_json, read_object
from crossfade.models.manifest import OWN_PROMPTS, Prompts
from crossfade.models.types import Pooling

_ST_POOLING = {"mean": Pooling.MEAN, "cls": Pooling.CLS, "lasttoken": Pooling.LAST_TOKEN}
# Files of sentence-transformers 2 to 4 mark each mode by a key of its own.
_OLD_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# A tokenizer without a limit says so with a number like 1e30.
_NO_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class Source:
    """A model directory, understood.

    `root`: where modules.json is. `transformer`: where config.json, weights and tokenizer are. `pooling`: None when
    nothing says it.
    """

    root: Path
    transformer: Path
    config: Mapping[str, Any]
    pooling: Pooling | None
    dense: tuple[DenseModule, ...]
    normalise: bool
    prompts: Prompts
    max_tokens: int | None
    lower_case: bool


def read_source(root: Path) -> Source:
    """Read the configuration. Raises InvalidInput for a module or mode not supported, BundleError for a broken file."""
    modules = _read_modules(root)
    transformer = root / modules[0][1] if modules else root
    pooling: Pooling | None = None
    dense: list[DenseModule] = []
    normalise = not modules
    include_prompt = True
    for kind, path in modules[1:]:
        if kind == "Pooling" and pooling is None and not dense and not normalise:
            pooling, include_prompt = _read_pooling(root / path / "config.json")
        elif kind == "Dense" and pooling is not None and not normalise:
            dense.append(describe_dense(root / path))
        elif kind == "Normalize" and pooling is not None:
            normalise = True
        else:
            raise InvalidInput(
                f"{root / 'modules.json'}: the module {kind} at this place is not supported (supported: Transformer, "
                "Pooling, then Dense, then Normalize); export the model to ONNX with its sentence_embedding output"
            )
    if modules and pooling is None:
        raise InvalidInput(f"{root / 'modules.json'} has no Pooling module: it does not describe an embedding model")
    prompts = _read_prompts(root / "config_sentence_transformers.json")
    if not include_prompt and any((prompts.query, prompts.document, *prompts.named.values())):
        raise InvalidInput(f"{root}: pooling that leaves the prompt out (include_prompt = false) is not supported")
    settings = read_object(transformer / "sentence_bert_config.json")
    return Source(
        root=root,
        transformer=transformer,
        config=read_object(transformer / "config.json"),
        pooling=pooling,
        dense=tuple(dense),
        normalise=normalise,
        prompts=prompts,
        max_tokens=read_limit(transformer, settings),
        lower_case=bool(settings.get("do_lower_case", False)),
    )


def _read_modules(root: Path) -> list[tuple[str, str]]:
    """(the last part of the type's name, path) of each module."""
    path = root / "modules.json"
    content = read_json(path)
    if content is None:
        return []
    try:
        modules = [(str(entry["type"]).rpartition(".")[2], str(entry["path"])) for entry in content]
    except (TypeError, KeyError):
        raise BundleError(f"{path} must be a list of modules with type and path; download the model again") from None
    for _, module in modules:
        if Path(module).is_absolute() or ".." in Path(module).parts:
            raise BundleError(f"{path} names {module!r}, which is outside the model's directory")
    if not modules or modules[0][0] != "Transformer":
        found = modules[0][0] if modules else "no module"
        raise InvalidInput(f"{path} begins with {found}; only models that begin with a Transformer are supported")
    return modules


def _read_pooling(path: Path) -> tuple[Pooling, bool]:
    config = read_object(path)
    if not config:
        raise BundleError(f"{path} is missing or empty; download or save the model again")
    if "pooling_mode" in config:
        given = config["pooling_mode"]
        modes = [given] if isinstance(given, str) else list(given)
    else:
        # No mode marked means mean to sentence-transformers.
        modes = [mode for key, mode in _OLD_POOLING.items() if config.get(key)] or ["mean"]
    if len(modes) != 1 or modes[0] not in _ST_POOLING:
        raise InvalidInput(
            f"{path}: pooling {' + '.join(map(str, modes))} is not supported (supported: {', '.join(_ST_POOLING)})"
        )
    return _ST_POOLING[modes[0]], config.get("include_prompt", True) is not False


def _read_prompts(path: Path) -> Prompts:
    """As encode_query and encode_document of sentence-transformers choose them; the others keep their names."""
    content = read_object(path)
    prompts: dict[str, str] = content.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise BundleError(f"{path}: prompts must map names to texts; download the model again")
    default = prompts.get(str(content.get("default_prompt_name")), "")
    document = [prompts[name] for name in ("document", "passage", "corpus") if name in prompts]
    return Prompts(
        query=prompts.get("query", default),
        document=document[0] if document else default,
        # An empty name cannot be asked for: in a call it stands for no name.
        named=MappingProxyType({name: text for name, text in prompts.items() if name and name not in OWN_PROMPTS}),
    )


def read_limit(transformer: Path, settings: Mapping[str, Any]) -> int | None:
    """sentence-transformers' own limit, else the tokenizer's; None when neither gives one."""
    tokenizer = read_object(transformer / "tokenizer_config.json")
    for value in (settings.get("max_seq_length"), tokenizer.get("model_max_length")):
        if isinstance(value, int | float) and 0 < value < _NO_LIMIT:
            return int(value)
    return None
