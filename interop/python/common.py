"""What the client and the server share: messages, and a tap on the extension that notes what came over the wire."""

import json
import sys

DATA_OPCODES = (1, 2)


def message(kind, size):
    """The message of one kind and size: text that compresses to about half, or bytes that do not compress."""
    state = size & 0xFFFFFFFF
    out = bytearray()
    while len(out) < size:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out += b"%08x ol\xc3\xa1 " % state if kind == "text" else state.to_bytes(4, "big")
    out = bytes(out[:size])
    if kind == "binary":
        return out
    whole = out.decode(errors="ignore")
    return whole + "." * (size - len(whole.encode()))


def extension(connection):
    """The connection's permessage-deflate, or None."""
    extensions = connection.protocol.extensions
    return extensions[0] if extensions else None


def tap(connection, wire):
    """Appends (RSV1, bytes) of each message received to `wire`, before the extension inflates it."""
    deflate = extension(connection)
    if deflate is None:
        return
    decode = deflate.decode

    def noting(frame, **arguments):
        if frame.opcode in DATA_OPCODES:
            wire.append([frame.rsv1, len(frame.data)])
        elif frame.opcode == 0:
            wire[-1][1] += len(frame.data)
        return decode(frame, **arguments)

    deflate.decode = noting


def agreed(connection, role):
    """The four parameters as this implementation holds them."""
    deflate = extension(connection)
    if deflate is None:
        return None
    local, remote = ("server", "client") if role == "server" else ("client", "server")
    return {
        f"{local}_no_context_takeover": deflate.local_no_context_takeover,
        f"{remote}_no_context_takeover": deflate.remote_no_context_takeover,
        f"{local}_max_window_bits": deflate.local_max_window_bits,
        f"{remote}_max_window_bits": deflate.remote_max_window_bits,
    }


def close_received(connection):
    """Code and reason of the peer's Close frame, or None."""
    close = connection.protocol.close_rcvd
    return [int(close.code), close.reason] if close else None


def say(record):
    """Prints one line of JSON."""
    print(json.dumps(record), flush=True, file=sys.stdout)
