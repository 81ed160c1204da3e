"""Parquet files, and Arrow IPC files and streams, read batch by batch through pyarrow (the extra `arrow`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import DataError, InvalidInput
from crossfade.ingest.fields import DocumentMaker, lacking
from crossfade.ingest.records import START, Place, Record, Reject, content_of, no_such_place

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 1024

PARQUET_MAGIC = b"PAR1"
FILE_MAGIC = b"ARROW1"
STREAM_MAGIC = b"\xff\xff\xff\xff"


class ArrowRows(ABC):
    """Rows of a table in a file; subclasses know its format. Rows are numbered from 1."""

    what = "Arrow"
    counts_rows = True

    def __init__(self, path: Path, maker: DocumentMaker) -> None:
        """Raises InvalidInput when pyarrow is not installed."""
        self.path = path
        self._maker = maker
        self._done = 0
        self._rows = 0
        _pyarrow()

    def fraction(self, place: Place) -> float | None:
        """How much of it lies before a place that was read, 0 to 1; None where nobody knows."""
        return min(place.number / self._rows, 1.0) if self._rows else None

    def read(self, after: Place = START) -> Iterator[Record | Reject]:
        """What follows a place. Raises DataError when the file is missing, damaged, or lacks a column."""
        arrow = _pyarrow()
        self._done = after.number
        try:
            for batch in self._batches(after.number):
                yield from self._records(batch)
        except FileNotFoundError:
            raise DataError(self.path, "no such file") from None
        except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())
            raise DataError(self.path, f"cannot be read as {self.what}: {said}", row=self._done + 1) from None

    @abstractmethod
    def _batches(self, skipped: int) -> Iterator[pyarrow.RecordBatch]:
        """Batches of the columns that are needed, without the first rows."""

    def _columns(self, schema: pyarrow.Schema) -> list[str]:
        """The columns to read. Raises DataError when one is missing."""
        mapping, names = self._maker.mapping, list(schema.names)
        if len(set(names)) != len(names):
            twice = next(name for at, name in enumerate(names) if name in names[:at])
            raise DataError(self.path, f"two columns have the name {twice!r}: rename one")
        needed = [(mapping.text, "--text-field")]
        if self._maker.vectors:
            needed.append((mapping.vector, "--vector-field"))
        if not any(name in names for name in mapping.id_names):
            needed.insert(0, (mapping.id_names[0], "--id-field"))
        for name, option in needed:
            if name not in names:
                raise DataError(self.path, lacking(name, names, option))
        if self._maker.vectors:
            self._check_vectors(schema.field(mapping.vector).type)
        wanted = {*mapping.id_names, mapping.title, mapping.text, mapping.metadata}
        if self._maker.vectors:
            wanted.add(mapping.vector)
        return [name for name in names if name in wanted or (mapping.rest and name not in mapping.known)]

    def _check_vectors(self, kind: pyarrow.DataType) -> None:
        types = _pyarrow().types
        is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        if not (is_list and types.is_floating(kind.value_type)):
            raise DataError(
                self.path,
                f'"{self._maker.mapping.vector}" is {kind}; expected a list, of fixed size or not, of float, double '
                "or halffloat",
            )

    def _records(self, batch: pyarrow.RecordBatch) -> Iterator[Record | Reject]:
        vectors = None
        if self._maker.vectors:
            place = batch.schema.get_field_index(self._maker.mapping.vector)
            vectors = _vectors(batch.column(place))
            batch = batch.remove_column(place)
        for at, row in enumerate(_rows(batch)):
            self._done += 1
            if isinstance(row, dict):
                if vectors is not None:
                    row[self._maker.mapping.vector] = vectors[at]
                yield self._record(row)
            else:
                yield self._reject(row, "")

    def _record(self, row: dict[str, Any]) -> Record | Reject:
        try:
            document, vector = self._maker.make(row)
        except InvalidInput as error:
            return self._reject(str(error), content_of(row))
        return Record(Place(self._done), document, vector, row)

    def _reject(self, reason: str, content: str) -> Reject:
        return Reject(Place(self._done), DataError(self.path, reason, row=self._done), content)


class ParquetRows(ArrowRows):
    """A Parquet file: row groups before the place are not read at all."""

    what = "Parquet"

    def _batches(self, skipped: int) -> Iterator[pyarrow.RecordBatch]:
        from pyarrow import parquet

        with parquet.ParquetFile(self.path, memory_map=True) as file:
            self._rows = file.metadata.num_rows
            if skipped > self._rows:
                raise no_such_place(self.path, Place(skipped), "row")
            columns = self._columns(file.schema_arrow)
            first = 0
            while first < file.num_row_groups and skipped >= (rows := file.metadata.row_group(first).num_rows):
                skipped -= rows
                first += 1
            groups = list(range(first, file.num_row_groups))
            batches = file.iter_batches(batch_size=_BATCH_ROWS, row_groups=groups, columns=columns)
            yield from _without_first(batches, skipped)


class IpcRows(ArrowRows):
    """An Arrow IPC file or stream, told apart by their first bytes."""

    what = "Arrow IPC"

    def _batches(self, skipped: int) -> Iterator[pyarrow.RecordBatch]:
        arrow = _pyarrow()
        with arrow.OSFile(str(self.path), "rb") as stream:
            is_file = stream.read(len(FILE_MAGIC)) == FILE_MAGIC
            stream.seek(0)
            opened = arrow.ipc.open_file(stream) if is_file else arrow.ipc.open_stream(stream)
            with opened as reader:
                columns = self._columns(reader.schema)
                if is_file:
                    self._rows = reader.count_rows()
                    batches = (reader.get_batch(at) for at in range(reader.num_record_batches))
                else:
                    batches = iter(reader)
                yield from self._after((batch.select(columns) for batch in batches), skipped)

    def _after(self, batches: Iterator[pyarrow.RecordBatch], number: int) -> Iterator[pyarrow.RecordBatch]:
        rows = 0

        def counted() -> Iterator[pyarrow.RecordBatch]:
            nonlocal rows
            for batch in batches:
                rows += batch.num_rows
                yield batch

        yield from _without_first(counted(), number)
        if rows < number:  # only now is it known: a stream does not say how many rows it has
            raise no_such_place(self.path, Place(number), "row")


def _without_first(batches: Iterator[pyarrow.RecordBatch], skipped: int) -> Iterator[pyarrow.RecordBatch]:
    for batch in batches:
        begin = min(skipped, batch.num_rows)
        skipped -= begin
        # A file may be one batch: its rows become Python's objects a few at a time.
        for start in range(begin, batch.num_rows, _BATCH_ROWS):
            yield batch.slice(start, _BATCH_ROWS)


def _rows(batch: pyarrow.RecordBatch) -> list[dict[str, Any] | str]:
    """Rows as Python's objects; of one that cannot be such, why."""
    errors = (_pyarrow().ArrowException, ValueError, OverflowError, KeyError)
    batch = _whole_microseconds(batch)
    try:
        whole: list[dict[str, Any] | str] = batch.to_pylist(maps_as_pydicts="strict")
        return whole
    except errors:
        pass
    found: list[dict[str, Any] | str] = []
    for at in range(batch.num_rows):
        try:
            found += batch.slice(at, 1).to_pylist(maps_as_pydicts="strict")
        except errors as error:
            found.append("it holds a value that cannot be read: " + " ".join(str(error).split()))
    return found


def _vectors(column: pyarrow.Array) -> list[NDArray[np.float32] | list[float | None] | None]:
    """Of each row float32, shape (n,), None for a null, or a list for what holds nulls."""
    arrow = _pyarrow()
    lengths = arrow.compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    flat = column.flatten()  # without those of nulls
    values = flat.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # becomes infinite, which is found with the others
        values = values.astype(np.float32, copy=False)
    ends = np.cumsum(lengths)
    rows: list[NDArray[np.float32] | list[float | None] | None] = [
        values[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
    ]
    if flat.null_count:
        # NumPy would have them as NaN, which is not what the file says.
        places = np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))
        for at in np.unique(np.searchsorted(ends, places, side="right")).tolist():
            rows[at] = column[at].as_py()
    if not column.null_count:
        return rows
    nulls = column.is_null().to_pylist()
    return [None if null else row for null, row in zip(nulls, rows, strict=True)]


def _whole_microseconds(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Python's date-times have no nanoseconds: they are cut off, as they are where date-times come as text."""
    arrow = _pyarrow()
    for at, field in enumerate(batch.schema):
        if arrow.types.is_timestamp(field.type) and field.type.unit == "ns":
            exact = batch.column(at).cast(arrow.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(at, field.name, exact)
    return batch


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
    except ImportError:
        raise InvalidInput("reading Parquet and Arrow files needs pyarrow: pip install 'crossfade[arrow]'") from None
    return pyarrow
