"""What our command-line client does with a peer's server: the program itself, as a person or a script starts it."""

import base64
import itertools
import os
import pty
import select
import subprocess
import time
from urllib.parse import quote

TEXTS = ("Olá", "", "compressible " * 500, "a" * 4096, "a" * 4096)
BITS = range(9, 16)
LINES = 100_000


def run(tools, command, lines=b""):
    """Runs the program to its end with this on standard input; status and both outputs."""
    done = subprocess.run(command, input=lines, capture_output=True, timeout=tools.TIMEOUT, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def text_and_binary(tools, peer, client):
    """Both kinds through a pipe, as they are and compressed."""
    binary = [bytes(range(256)), b"", b"\xff" * 70_000]
    with tools.Server(peer.server) as server:
        url = f"ws://127.0.0.1:{server.port}/echo"
        for more in (["--no-deflate"], ["--deflate-threshold", "0"]):
            lines = "".join(f"{text}\n" for text in TEXTS).encode()
            seen = run(tools, [client, url, "--expect", str(len(TEXTS)), *more], lines)
            tools.expect(f"text with {more}", seen, (0, lines, ""))
            tools.expect("Close at the server", server.record()["close"][0], 1000)
            lines = b"".join(base64.b64encode(payload) + b"\n" for payload in binary)
            seen = run(tools, [client, url, "--base64", "--expect", str(len(binary)), *more], lines)
            tools.expect(f"binary with {more}", seen, (0, lines, ""))
            tools.expect("Close at the server", server.record()["close"][0], 1000)
    return 4


def windows(tools, peer, client):
    """Every pair of windows that the peer can do, with and without context takeover."""
    pairs = itertools.product(BITS, BITS) if peer.windows else [(15, 15)]
    takeovers = ([], ["--context-takeover=none"]) if peer.windows else (["--context-takeover=none"],)
    lines = "".join(f"{text}\n" for text in TEXTS).encode()
    count = 0
    with tools.Server(peer.server) as server:
        url = f"ws://127.0.0.1:{server.port}/echo"
        for (server_bits, client_bits), takeover in itertools.product(pairs, takeovers):
            flags = [*takeover, "--deflate-threshold", "0"]
            if peer.windows:
                flags += ["--server-max-window-bits", str(server_bits), "--client-max-window-bits", str(client_bits)]
            seen = run(tools, [client, url, "--expect", str(len(TEXTS)), *flags], lines)
            tools.expect(f"echo with {flags}", seen, (0, lines, ""))
            record = server.record()
            tools.expect(f"server's error with {flags}", record.get("error"), None)
            wanted = {
                "server_no_context_takeover": bool(takeover),
                "client_no_context_takeover": bool(takeover),
                "server_max_window_bits": server_bits,
                "client_max_window_bits": client_bits,
            }
            tools.expect(f"agreed at the server with {flags}", record["agreed"], wanted)
            compressed = [one for one, size in record["wire"]]
            tools.expect(f"compressed on the way with {flags}", compressed[2:], [True] * 3)
            count += 1
    return count


def server_closes(tools, peer, client):
    """Every code that the peer may send: the program shows it and ends with the status that tells it."""
    with tools.Server(peer.server) as server:
        for code in peer.codes:
            url = f"ws://127.0.0.1:{server.port}/close?code={code}&reason={quote(tools.REASON)}"
            status, stdout, stderr = run(tools, [client, url, "--idle", "0"])
            tools.expect(f"status after {code}", (status, stdout), (0 if code == 1000 else 1, b""))
            if code != 1000:
                tools.expect(f"{code} on standard error", f"closed with {code} (" in stderr, True)
                tools.expect(f"reason of {code}", tools.REASON in stderr, True)
            tools.expect("Close at the server", server.record()["close"][0], code)
    return len(peer.codes)


def client_closes(tools, peer, client):
    """Every code that a person may choose in a session, which the peer has to hear."""
    codes = [code for code in peer.codes if code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999)]
    with tools.Server(peer.server) as server:
        for code in codes:
            session(tools, [client, f"ws://127.0.0.1:{server.port}/echo", "--no-history"], f"/close {code} bye")
            tools.expect(f"Close {code} at the server", server.record()["close"], [code, "bye"])
    return len(codes)


def session(tools, command, line):
    """Types a line at the prompt of a session on a terminal, and waits for the end."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
    os.close(slave)
    screen, typed, end = b"", False, time.monotonic() + tools.TIMEOUT
    try:
        while time.monotonic() < end:
            if select.select([master], [], [], 1)[0]:
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break
                screen += piece
                if not typed and b"> " in screen:
                    os.write(master, line.encode() + b"\r")
                    typed = True
        child.wait(timeout=10)
    finally:
        child.kill()
        os.close(master)


def many_lines(tools, peer, client):
    """100,000 lines there and back in order, as they are and compressed."""
    lines = b"".join(b"line %d\n" % number for number in range(LINES))
    with tools.Server(peer.server) as server:
        url = f"ws://127.0.0.1:{server.port}/echo"
        for more in (["--no-deflate"], ["--deflate-threshold", "0"]):
            status, stdout, stderr = run(tools, [client, url, "--expect", str(LINES), *more], lines)
            tools.expect(f"status with {more}", (status, stderr), (0, ""))
            tools.expect(f"lines with {more}", (len(stdout), stdout == lines), (len(lines), True))
            record = server.record()
            # Python's library shows what came only where there is an extension.
            tools.expect("messages at the server", len(record["wire"]) or (LINES if "--no-deflate" in more else 0), LINES)
    return 2


def parts(tools, peer, client):
    """A title and a function that returns how many connections it checked, for each thing that is tried."""
    for title, part in (
        ("our program: text and binary", text_and_binary),
        ("our program: every window", windows),
        ("our program: the server closes", server_closes),
        ("our program closes", client_closes),
        ("our program: 100,000 lines", many_lines),
    ):
        yield title, lambda part=part: part(tools, peer, client)
