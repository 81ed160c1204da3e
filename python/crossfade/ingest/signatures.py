"""What a file is that is no JSON lines, told by its first bytes."""

from __future__ import annotations

import unicodedata

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF-": "a PDF file",
    b"PK\x03\x04": "a zip archive (as .docx, .xlsx and .npz are)",
    b"BZh": "packed with bzip2, which is not read",
    b"\xfd7zXZ\x00": "packed with xz, which is not read",
    b"\x28\xb5\x2f\xfd": "packed with zstd, which is not read",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF\r\n": "an HDF5 file",
    b"FEA1": "a Feather file of version 1",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"\x7fELF": "a program",
    b"\xff\xfe": "text in UTF-16, which is not read (convert it to UTF-8)",
    b"\xfe\xff": "text in UTF-16, which is not read (convert it to UTF-8)",
}
_LEAST = 32  # bytes, below which nothing is guessed
_SHARE = 0.3


def foreign(first: bytes) -> str | None:
    """What a file is by its first bytes, in words; None for what may be lines of text. A single bad line is not enough:
    a third of the bytes are no text."""
    for signature, name in _SIGNATURES.items():
        if first.startswith(signature):
            return f"it is {name}"
    if len(first) < _LEAST:
        return None
    text = first.decode(errors="replace")
    strange = sum(each == "\ufffd" or (unicodedata.category(each) == "Cc" and not each.isspace()) for each in text)
    return "it is binary, or not in UTF-8" if strange > _SHARE * len(text) else None
