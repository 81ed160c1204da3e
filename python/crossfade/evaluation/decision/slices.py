"""From the rules of a protocol to the queries of each slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.decision.causes import named_slices
from crossfade.evaluation.decision.evidence import SliceMembers
from crossfade.evaluation.decision.protocol import SliceRule
from crossfade.evaluation.identifiers import has_identifier
from crossfade.evaluation.lines import decode, read_lines

QueryFields = Mapping[str, Mapping[str, Any]]
"""query id -> the object of queries.jsonl"""


def slice_members(
    rules: Iterable[SliceRule],
    queries: Mapping[str, str],
    *,
    fields: QueryFields | None = None,
    folder: Path | None = None,
    causes: Mapping[str, str] | None = None,
) -> list[SliceMembers]:
    """The queries of every slice, in the order of the rules, then of values; members in the order of `queries`.

    `queries`: id -> text. `fields`: needed where a rule names a field. `folder`: what a rule's file is relative to.
    `causes`: of the queries, as `causes.standing` gives them; needed where a rule is by cause.
    Raises InvalidInput for a field that no query has, DataError for a file that is not what `SliceRule` says.
    """
    found: list[SliceMembers] = []
    for rule in rules:
        if rule.field:
            found += _by_field(rule, queries, fields)
        elif rule.file:
            path = Path(rule.file) if folder is None else folder / rule.file
            found += _by_value(rule, read_slice_file(path, queries))
        elif rule.cause:
            if causes is None:
                raise InvalidInput(
                    f"slice {rule.name!r} is by cause: give a diagnosis of the base (diagnosis = in the protocol, or "
                    "--diagnosis), as crossfade diagnose --json writes it"
                )
            found += [SliceMembers(name, rule.name, held) for name, held in named_slices(rule.cause, rule.name, causes)]
        else:
            found.append(
                SliceMembers(rule.name, rule.name, [query for query, text in queries.items() if _fits(rule, text)])
            )
    return found


def _fits(rule: SliceRule, text: str) -> bool:
    if rule.identifiers is not None:
        return has_identifier(text) is rule.identifiers
    words = len(text.split())
    return rule.least_words <= words and (not rule.most_words or words <= rule.most_words)


def _by_field(rule: SliceRule, queries: Mapping[str, str], fields: QueryFields | None) -> list[SliceMembers]:
    if fields is None:
        raise InvalidInput(f"slice {rule.name!r} is by the field {rule.field!r}: give the fields of the queries")
    values = {query: _values(fields.get(query, {}), rule.field) for query in queries}
    if rule.equals is not None:
        return [SliceMembers(rule.name, rule.name, [query for query in queries if rule.equals in values[query]])]
    if not any(values.values()):
        raise InvalidInput(
            f"slice {rule.name!r}: no judged query has the field {rule.field!r}: name one that queries.jsonl holds"
        )
    return _by_value(rule, values)


def _by_value(rule: SliceRule, values: Mapping[str, Iterable[str]]) -> list[SliceMembers]:
    members: dict[str, list[str]] = {}
    for query, held in values.items():
        for value in held:
            members.setdefault(value, []).append(query)
    return [SliceMembers(f"{rule.name}={value}", rule.name, members[value]) for value in sorted(members)]


def _values(record: Mapping[str, Any], field: str) -> list[str]:
    """What the field holds, as texts: of a list each member once; nothing where it is absent, null or an object."""
    value: Any = record
    for key in [field] if field in record else field.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    held = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(_text(item) for item in held if isinstance(item, str | int | float)))


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_slice_file(path: Path, queries: Mapping[str, str]) -> dict[str, list[str]]:
    """Lines of query id, tab, slice; a query may be in several. Queries in the order of `queries`, slices of each in
    the order of the file.

    Raises DataError for a wrong column count, a pair given twice, or a query that is not judged.
    """
    found: dict[str, list[str]] = {}
    for line, content in read_lines(path):
        columns = decode(path, line, content).split("\t")
        if len(columns) != 2 or not all(column.strip() for column in columns):
            raise DataError(path, "expected two columns with a tab between: query id and slice", line=line)
        query, value = columns
        if query not in queries:
            raise DataError(path, f"query {query!r} is none of the split's judged ones", line=line)
        if value in found.setdefault(query, []):
            raise DataError(path, f"query {query!r} is in slice {value!r} twice", line=line)
        found[query].append(value)
    if not found:
        raise DataError(path, "empty: expected query id, tab, slice on each line")
    return {query: found[query] for query in queries if query in found}
