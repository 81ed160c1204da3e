"""What metadata and filters may hold at most. Beyond any of these is a LimitExceeded that says which."""

from __future__ import annotations

MAX_FIELDS = 256  # of a collection
MAX_FIELD_NAME_BYTES = 128
MAX_STRING_BYTES = 8 * 1024  # one string as UTF-8, alone or in a list
MAX_LIST_LENGTH = 1024  # strings of one field of one document
MAX_METADATA_BYTES = 64 * 1024  # of a document: names and strings as UTF-8, 8 a number or date-time, 1 a bool

# Of a filter as a caller writes it. A tree that Python code builds may be twice as deep and large, so that conditions
# which the server adds always fit around the greatest filter that a caller may send.
MAX_DEPTH = 32
MAX_NODES = 1024
MAX_VALUES = 10_000  # of one `in`, `contains_any`, `contains_all` or list
MAX_FILTER_LENGTH = 1024 * 1024  # characters of the JSON text, or of all strings in a filter that comes as an object

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
