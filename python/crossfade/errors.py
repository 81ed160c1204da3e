"""The one exception tree.

Every error that a caller can cause or must act on is a `CrossfadeError`. Its message says what was wrong, what was
expected and what to do. Two boundaries turn it into something else, each in one table: `rust/server/src/failure.rs`
into a gRPC status, `cli/commands.py` into one line on stderr and an exit code.
"""

from __future__ import annotations

from os import PathLike, fspath


class CrossfadeError(Exception):
    """Base of everything crossfade raises on purpose."""


class InvalidInput(CrossfadeError):
    """A value the caller gave is wrong: shape, range, name, NaN, duplicate."""


class LimitExceeded(InvalidInput):
    """A value is well formed but larger than a declared limit: split it or raise the limit."""


class DataError(InvalidInput):
    """A file does not hold what its format promises.

    `line` is 1-based; None when the fault is not on one line (a missing file, an empty file). `row` is the same of a
    table's rows.
    """

    def __init__(
        self, path: str | PathLike[str], reason: str, *, line: int | None = None, row: int | None = None
    ) -> None:
        self.path = fspath(path)
        self.line = line
        self.row = row
        self.reason = reason
        where = self.path if line is None else f"{self.path}:{line}"
        where = where if row is None else f"{where}: row {row:,}"
        super().__init__(f"{where}: {reason}")


class BundleError(CrossfadeError):
    """A model bundle, ONNX graph or tokenizer is missing, corrupt, or does not fit its other parts."""


class NotFound(CrossfadeError):
    """No model, collection or document has the name given."""


class AlreadyExists(CrossfadeError):
    """The name given is taken."""


class Conflict(CrossfadeError):
    """The document or alias has changed since the caller looked: read it again, and decide again."""


class StoreError(CrossfadeError):
    """The store on disk cannot be read or written: full, read-only, locked, of a newer format, or damaged.

    Nothing of the call that met it was taken.
    """


class Damaged(StoreError):
    """The store's database does not say what was written to it: a bit has flipped, or a sector was lost.

    `collection`, `ids`: of the documents that were met so; empty when it is no document. The rest is served.
    """

    def __init__(self, message: str, *, collection: str = "", ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.collection = collection
        self.ids = ids


class FingerprintMismatch(CrossfadeError):
    """Vectors of one model met an index, run or query of another; equal dimension is not enough."""


class Overloaded(CrossfadeError):
    """The service is at its admission limit: try again later.

    `retry_after`: in how many seconds, as the server says; None when it does not.
    """

    def __init__(self, *message: object, retry_after: float | None = None) -> None:
        super().__init__(*message)
        self.retry_after = retry_after


class Unavailable(CrossfadeError):
    """The service is starting or draining, or could not be reached: try another replica or try again."""


class DeadlineExceeded(CrossfadeError):
    """The time a call was given ran out, or its caller went away, before the answer was ready."""
