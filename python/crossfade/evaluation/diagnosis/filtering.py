"""Filters that queries carry, and the documents' metadata that they speak of.

A BEIR directory may have both: `queries.jsonl` a "filter" in the grammar of docs/filters.md, `corpus.jsonl` a
"metadata" object, as `crossfade store ingest` reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.lines import read_lines
from crossfade.store.metadata import Filter, Metadata, MetadataSchema, TailColumns, bind, evaluate


@dataclass(frozen=True)
class QueryFilters:
    """`filters`: by query id. `metadata`: of each document that has any."""

    filters: Mapping[str, Filter] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.filters)

    def applied(self, dataset: Dataset) -> Dataset:
        """The data set with metadata in its documents; the same where no query carries a filter."""
        if not self.filters:
            return dataset
        documents = [replace(each, metadata=self.metadata.get(each.id, {})) for each in dataset.documents]
        return replace(dataset, documents=documents)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of filters and metadata; empty without filters."""
        if not self.filters:
            return ""
        state = hashlib.sha256()
        for query_id in sorted(self.filters):
            state.update(json.dumps([query_id, self.filters[query_id].to_json()]).encode())
        for document_id in sorted(self.metadata):
            state.update(json.dumps([document_id, self.metadata[document_id]], sort_keys=True, default=str).encode())
        return state.hexdigest()

    def kept(self, document_ids: list[str]) -> dict[str, set[str]]:
        """Of each query with a filter, which of these documents it keeps.

        Raises InvalidInput naming the query whose filter does not fit the documents' fields, or the document whose
        metadata do not fit the others'.
        """
        schema = MetadataSchema()
        rows: list[Metadata] = []
        for document_id, metadata in self.metadata.items():  # the schema is that of all
            schema, _ = schema.check(metadata, document=document_id)
        for document_id in document_ids:
            _, normal = schema.check(self.metadata.get(document_id, {}), document=document_id)
            rows.append(normal)
        columns = TailColumns()
        columns.extend(rows, schema)
        held = columns.snapshot()
        found = {}
        for query_id, condition in self.filters.items():
            try:
                mask = evaluate(bind(condition, schema), held)
            except InvalidInput as error:
                raise InvalidInput(f"the filter of query {query_id!r}: {error}") from None
            found[query_id] = {each for each, keep in zip(document_ids, mask.tolist(), strict=True) if keep}
        return found


def read_filters(directory: Path, dataset: Dataset) -> QueryFilters:
    """The filters of the data set's queries, and metadata where there are any. The files are known to be sound BEIR.

    Raises DataError, by file and line, for a "filter" or "metadata" that is none.
    """
    filters: dict[str, Filter] = {}
    for line, record, path in _records(directory, "queries.jsonl", '"filter"'):
        if record.get("filter") is None or record["_id"] not in dataset.queries:
            continue
        try:
            filters[record["_id"]] = Filter.parse(record["filter"])
        except InvalidInput as error:
            raise DataError(path, f'"filter": {error}', line=line) from None
    if not filters:
        return QueryFilters()
    metadata: dict[str, Mapping[str, Any]] = {}
    for line, record, path in _records(directory, "corpus.jsonl", '"metadata"'):
        found = record.get("metadata")
        if found is None:
            continue
        if not isinstance(found, dict):
            raise DataError(path, f'"metadata" is {type(found).__name__}; expected an object', line=line)
        metadata[record["_id"]] = found
    held = QueryFilters(filters, metadata)
    held.kept([])  # every filter is held against the fields before the work begins
    return held


def _records(directory: Path, name: str, key: str) -> list[tuple[int, dict[str, Any], Path]]:
    packed, plain = directory / f"{name}.gz", directory / name
    path = packed if packed.is_file() and not plain.exists() else plain
    wanted = key.encode()
    return [(line, json.loads(content), path) for line, content in read_lines(path) if wanted in content]
