"""Makes a source's tokenizer.json the bundle's: one spelling for tokenizers that turn a text into the same ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossfade.errors import BundleError
from crossfade.models.importing.files import read_json, read_object

# tokenizer_config.json's names -> tokenizer.json's.
_BERT_SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def bundle_tokenizer(transformer: Path, config: Mapping[str, Any], *, lower_case: bool) -> bytes:
    """The tokenizer.json of a bundle.

    The cut and padding that a tokenizer.json happens to be saved with are dropped: bundle.toml holds the limit, the
    encoder pads. The padding token stays on record. `lower_case` puts a lower-casing step first, as
    sentence-transformers' do_lower_case does. Raises BundleError when the file is missing or not a tokenizer's.
    """
    path = transformer / "tokenizer.json"
    content = read_json(path)
    if content is None:
        raise BundleError(
            f"{transformer} has no tokenizer.json: save the tokenizer in its fast form "
            "(AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)) and import again"
        )
    if not isinstance(content, dict) or "model" not in content:
        raise BundleError(f"{path} is not a tokenizer of the tokenizers library; download or save the model again")
    settings = read_object(transformer / "tokenizer_config.json")
    pad_id = _pad_id(settings, content, config)
    content["truncation"] = None
    content["padding"] = {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": pad_id,
        "pad_type_id": 0,
        "pad_token": _token(content, pad_id),
    }
    _follow_settings(content.get("normalizer"), settings)
    if lower_case:
        content["normalizer"] = _lower_cased(content.get("normalizer"))
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _follow_settings(normalizer: Any, settings: Mapping[str, Any]) -> None:
    """Where tokenizer_config.json contradicts a BERT normalizer, it wins, as it does in transformers."""
    if isinstance(normalizer, dict) and normalizer.get("type") == "BertNormalizer":
        for setting, key in _BERT_SETTINGS.items():
            if isinstance(settings.get(setting), bool):
                normalizer[key] = settings[setting]


def _pad_id(settings: Mapping[str, Any], tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    token = settings.get("pad_token")
    if isinstance(token, dict):
        token = token.get("content")
    for added in tokenizer.get("added_tokens") or []:
        if token is not None and added.get("content") == token:
            return int(added["id"])
    # Masked positions move no vector, so any id of the vocabulary will do when nothing names one.
    padding, configured = tokenizer.get("padding"), config.get("pad_token_id")
    if isinstance(padding, dict):
        return int(padding["pad_id"])
    return configured if isinstance(configured, int) else 0


def _token(tokenizer: Mapping[str, Any], token_id: int) -> str:
    for added in tokenizer.get("added_tokens") or []:
        if added.get("id") == token_id:
            return str(added["content"])
    return ""


def _lower_cased(normalizer: Any) -> Any:
    if _lowers(normalizer):
        return normalizer
    rest = [] if normalizer is None else [normalizer]
    return {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *rest]}


def _lowers(normalizer: Any) -> bool:
    if not isinstance(normalizer, dict):
        return False
    if normalizer.get("type") == "Sequence":
        return any(_lowers(part) for part in normalizer.get("normalizers") or [])
    return normalizer.get("type") == "Lowercase" or normalizer.get("lowercase") is True
