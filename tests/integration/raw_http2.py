"""A client that breaks off: gRPC's frames by hand, as no library sends them."""

from __future__ import annotations

import socket
import struct

_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_ACK, _END_HEADERS = 1, 4
_LARGEST_FRAME = 16384


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _field(name: str, value: str) -> bytes:
    """HPACK's plainest form: a literal that nobody is to remember. Shorter than 127 bytes, each."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def framed(message: bytes, declared: int | None = None) -> bytes:
    """A message as gRPC sends it, with the size that it has or another."""
    return b"\0" + struct.pack(">I", len(message) if declared is None else declared) + message


class RawClient:
    """A connection on which calls begin and do not end. What the server says is read no further than its greeting."""

    def __init__(self, address: str, patience: float) -> None:
        host, port = address.split(":")
        self._authority = address
        self._socket = socket.create_connection((host, int(port)), timeout=patience)
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b""))
        self._next = 1
        # How much may be sent at once is its to say.
        awaited = {_SETTINGS, _WINDOW_UPDATE}
        while awaited:
            length, kind = struct.unpack(">IB", b"\0" + self._read(4))
            self._read(5 + length)
            awaited.discard(kind)
        self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))

    def _read(self, count: int) -> bytes:
        read = self._socket.recv(count, socket.MSG_WAITALL)
        if len(read) < count:
            raise ConnectionError("the server closed the connection")
        return read

    def begin(self, method: str, declared: int, sent: bytes = b"", timeout: str = "") -> None:
        """Begin a call of a message that is to have `declared` bytes, and send these of it, or it and what follows.

        `timeout`: as gRPC writes it, such as "500m" for half a second.
        """
        stream, self._next = self._next, self._next + 2
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/crossfade.v1.{method}",
            ":authority": self._authority,
            "content-type": "application/grpc",
            "te": "trailers",
        }
        if timeout:
            fields["grpc-timeout"] = timeout
        block = b"".join(_field(name, value) for name, value in fields.items())
        frames = _frame(_HEADERS, _END_HEADERS, stream, block)
        message = framed(b"", declared) + sent
        for start in range(0, len(message), _LARGEST_FRAME):
            frames += _frame(_DATA, 0, stream, message[start : start + _LARGEST_FRAME])
        self._socket.sendall(frames)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
