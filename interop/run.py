"""Runs every scenario between our programs and the peers, in both roles; see README.md."""

import argparse
import itertools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import program

HERE = Path(__file__).resolve().parent
PARAMETERS = (
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)
BITS = range(9, 16)
CORNERS = (9, 15)
# The two equal texts at the end, 4 KiB apart, tell whether the context was kept and how far the window reaches.
PAIR = [["text", 4096], ["text", 4096]]
SMALL = [
    [kind, size]
    for size in (0, 1, 2, 125, 126, 127, 255, 256, 1000, 65535, 65536)
    for kind in ("text", "binary")
] + PAIR
LARGE = [["text", 1 << 20], ["binary", 1 << 20], ["text", 4 << 20], ["binary", 4 << 20]] + PAIR
CLOSE_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
REASON = "até logo €"
B3_REPLY = "Retorno do servidor!"
TIMEOUT = 300
# Messages of one connection with our server, as everybody's defaults have it.
MANY = 10_000


class Failed(Exception):
    """What was seen and what was expected."""


class Peer:
    """One implementation: how to start its two programs, and what it can do."""

    def __init__(self, name, client, server, windows=True, codes=CLOSE_CODES, many=None):
        self.name = name
        self.client = client
        self.server = server
        self.windows = windows
        self.codes = codes
        self.many = many

    def offers(self, bits):
        """Every offer that this implementation can make, with the given window bits."""
        if not self.windows:
            return [{"server_no_context_takeover": True, "client_no_context_takeover": True}]
        return [
            dict(zip(PARAMETERS, values))
            for values in itertools.product((False, True), (False, True), bits, bits)
        ]


class Server:
    """A running echo server; `records` are its lines about connections that nobody asked for yet, by path."""

    def __init__(self, command, **options):
        arguments = [part for key, value in options.items() if value for part in (f"--{key}", str(value))]
        self.process = subprocess.Popen(command + arguments, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.records = {}
        threading.Thread(target=self._read, daemon=True).start()
        self.port = self.record()["listening"]

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def record(self):
        """The next line, as the program said it."""
        line = self.lines.get(timeout=TIMEOUT)
        if line is None:
            raise Failed(f"{self.process.args[0]} ended with status {self.process.wait()}")
        return json.loads(line)

    def record_of(self, scenario):
        """The line about one scenario's connection; the server may say them in another order than they began."""
        path = scenario["url"].split("/", 3)[3]
        while f"/{path}" not in self.records:
            record = self.record()
            self.records[record["path"]] = record
        return self.records.pop(f"/{path}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)


def run_client(command, scenarios):
    """The client's line for each scenario."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(scenarios, file)
        file.flush()
        done = subprocess.run(command + [file.name], stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(lines) != len(scenarios):
        raise Failed(f"{command} ended with status {done.returncode} after {len(lines)} of {len(scenarios)} scenarios")
    return lines


def expect(what, seen, wanted):
    """Raises unless both are equal."""
    if seen != wanted:
        raise Failed(f"{what}: saw {seen}, expected {wanted}")


def wanted_parameters(offer):
    """What has to come out when one side asks for `offer` and the other allows everything."""
    return {name: offer.get(name) or (15 if name.endswith("bits") else False) for name in PARAMETERS}


def check_wire(wire, messages, no_context_takeover, bits):
    """The messages of one direction as they came: compressed where that pays, with the context kept or not."""
    expect("messages received", len(wire), len(messages))
    for (compressed, size), (kind, length) in zip(wire, messages):
        if kind == "text" and length >= 1000 and not (compressed and size < 0.8 * length):
            raise Failed(f"text of {length} bytes came with RSV1 {compressed} in {size} bytes")
    if messages[-2:] == PAIR:
        (_, first), (_, second) = wire[-2:]
        if no_context_takeover and second < first * 0.9:
            raise Failed(f"context kept although no takeover was agreed: {first}, then {second} bytes")
        if not no_context_takeover and bits >= 13 and second > first / 4:
            raise Failed(f"context not kept although takeover was agreed: {first}, then {second} bytes")
        if not no_context_takeover and bits <= 11 and second < first / 2:
            raise Failed(f"a window of {bits} bits reached back 4096 bytes: {first}, then {second} bytes")


def check_connection(scenario, said, heard, wanted, checked):
    """Both ends' lines of one connection. `checked` are the directions whose bytes an end other than ours saw."""
    expect("server's error", heard.get("error"), None)
    expect("parameters at the client", said["agreed"], wanted)
    expect("parameters at the server", heard["agreed"], wanted)
    # Whether the answer repeats the reason is free (RFC 6455 §5.5.1).
    expect("Close at the client", said["close"][0], scenario["code"])
    expect("Close at the server", heard["close"], [scenario["code"], scenario["reason"]])
    for side, line in (("server", said), ("client", heard)):
        if side in checked:
            check_wire(
                line["wire"],
                scenario["messages"],
                wanted[f"{side}_no_context_takeover"],
                wanted[f"{side}_max_window_bits"],
            )


def exchange(client, server_command, offers, messages, demand=None, checked=()):
    """One connection for each offer; returns how many."""
    with Server(server_command, demand=demand and json.dumps(demand)) as server:
        scenarios = [
            {
                "url": f"ws://127.0.0.1:{server.port}/echo?number={number}",
                "offer": offer,
                "messages": messages,
                "code": 1000,
                "reason": REASON,
            }
            for number, offer in enumerate(offers)
        ]
        for scenario, said in zip(scenarios, run_client(client, scenarios)):
            try:
                expect("client's error", said.get("error"), None)
                heard = server.record_of(scenario)
                check_connection(scenario, said, heard, wanted_parameters(demand or scenario["offer"]), checked)
            except Failed as failed:
                raise Failed(f"offer {scenario['offer']}, demand {demand}: {failed}") from None
    return len(scenarios)


def closes(client, server_command, codes):
    """Each code in both directions; returns how many connections."""
    plain = {"offer": {}, "messages": [["text", 5]]}
    with Server(server_command) as server:
        base = f"ws://127.0.0.1:{server.port}"
        by_client = [{**plain, "url": f"{base}/echo?code={code}", "code": code, "reason": REASON} for code in codes]
        by_server = [
            {**plain, "messages": [], "url": f"{base}/close?code={code}&reason={quote(REASON)}"} for code in codes
        ]
        for scenario, code, said in zip(by_client + by_server, codes * 2, run_client(client, by_client + by_server)):
            heard = server.record_of(scenario)
            for end, line in (("client", said), ("server", heard)):
                try:
                    expect("error", line.get("error"), None)
                    expect("Close", line["close"] and line["close"][0], code)
                    # The reason is the closing side's; whether the answer repeats it is free (RFC 6455 §5.5.1).
                    if (end == "client") == ("/close" in scenario["url"]):
                        expect("reason", line["close"][1], REASON)
                except Failed as failed:
                    raise Failed(f"code {code} at the {end} of {scenario['url']}: {failed}") from None
    return 2 * len(codes)


@contextmanager
def our_server(command):
    """Our server, as a person starts it; its port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        port = await_port(process)
        # What nobody reads would stop the server once the pipe is full.
        threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def many_messages(peer, server_command, ca):
    """Many messages on one connection of a client with its defaults, which then has agreed to compression."""
    with our_server(server_command) as port:
        command = [*peer.many, f"wss://localhost:{port}/echo", ca, str(MANY)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    expect("status and error", (done.returncode, done.stderr), (0, ""))
    record = json.loads(done.stdout)
    expect("messages", record["messages"], MANY)
    expect("extension agreed", record["extensions"].startswith("permessage-deflate"), True)
    return 1


def wss_server(peer, server_command, ca):
    """Our server, as a person starts it, with the peer's client."""
    with our_server(server_command) as port:
        base = {"ca": ca, "offer": {"client_max_window_bits": True} if peer.windows else {}, "code": 1000, "reason": ""}
        messages = [["text", 0], ["text", 1000], ["text", 65536], ["binary", 4096], ["text", 1 << 20]]
        echo = {**base, "url": f"wss://localhost:{port}/echo", "messages": messages}
        fixed = {**base, "url": f"wss://localhost:{port}/ws", "messages": [["text", 5]], "reply": B3_REPLY}
        echo_said, fixed_said = run_client(peer.client, [echo, fixed])
        for line in (echo_said, fixed_said):
            expect("error", line.get("error"), None)
            expect("extension agreed", line["agreed"] is not None, True)
            expect("Close", line["close"][0], 1000)
        check_wire(echo_said["wire"], messages, True, 15)
    return 2


def await_port(process):
    """The port in the first line that names a listening address."""
    for line in process.stdout:
        words = line.replace('"', " ").replace(",", " ").replace("=", " ").split()
        for word in words:
            host, _, port = word.rpartition(":")
            if host.endswith("127.0.0.1") and port.rstrip("./").isdigit():
                return int(port.rstrip("./"))
    raise Failed(f"our server ended with status {process.wait()} without naming its address")


def wss_client(peer, client_command, certs):
    """Our client, as a person starts it, with the peer's server."""
    text = "Olá, servidor WebSocket! " * 100
    with Server(peer.server, cert=certs / "server.crt", key=certs / "server.key") as server:
        url = f"wss://localhost:{server.port}/echo"
        command = client_command + ["--ca", str(certs / "ca.crt"), url, text]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
        expect("our client's status", done.returncode, 0)
        expect("our client's output", done.stdout, text + "\n")
        heard = server.record()
        expect("extension agreed", heard["agreed"] is not None, True)
        expect("Close", heard["close"][0], 1000)
        [[compressed, size]] = heard["wire"]
        if not (compressed and size < len(text) / 4):
            raise Failed(f"a text of {len(text)} bytes came with RSV1 {compressed} in {size} bytes")
    return 1


def blocking_parts(peer, library):
    """Our library's blocking API, by the same program."""
    client, server = [library, "blocking", "client"], [library, "blocking", "server"]
    corners = peer.offers(CORNERS)
    yield "its client, our blocking server", lambda: exchange(peer.client, server, corners, SMALL, checked=["server"])
    yield "our blocking client, its server", lambda: exchange(client, peer.server, corners, SMALL, checked=["client"])
    yield "its client closes, our blocking server", lambda: closes(peer.client, server, peer.codes)
    yield "our blocking client closes, its server", lambda: closes(client, peer.server, peer.codes)


def browser_parts(peer, ours):
    """What runs with a browser, which is a client only, offers the same each time and closes with codes of its own."""
    demands = [
        dict(zip(PARAMETERS, values))
        for values in itertools.product((False, True), (False, True), CORNERS, CORNERS)
    ]
    free = {"client_max_window_bits": True}
    yield "its client, our server's demands", lambda: sum(
        exchange(peer.client, ours.server, [free], SMALL, demand=demand) for demand in demands
    )
    yield "its client, our server, 4 MiB", lambda: sum(
        exchange(peer.client, ours.server, [free], LARGE, demand=demand) for demand in (demands[3], demands[-1])
    )
    yield "its client closes, and our server", lambda: closes(peer.client, ours.server, peer.codes)


def parts(peer, ours, arguments):
    """What runs with one peer: a title and a function that returns how many connections it checked."""
    server, client = ours.server, ours.client
    every, corners = peer.offers(BITS), peer.offers(CORNERS)
    large = [offer for offer in corners if len(set(list(offer.values())[2:])) < 2]
    free = [{"client_max_window_bits": True} if peer.windows else {}]
    yield "its client, our library's server", lambda: exchange(peer.client, server, every, SMALL, checked=["server"])
    yield "our library's client, its server", lambda: exchange(client, peer.server, every, SMALL, checked=["client"])
    yield "its client, our server, 4 MiB", lambda: exchange(peer.client, server, large, LARGE, checked=["server"])
    yield "our client, its server, 4 MiB", lambda: exchange(client, peer.server, large, LARGE, checked=["client"])
    if peer.windows:
        yield "its client, our server's demands", lambda: sum(
            exchange(peer.client, server, free, PAIR, demand=demand, checked=["server"]) for demand in corners
        )
        yield "our client, its server's demands", lambda: sum(
            exchange(client, peer.server, free, PAIR, demand=demand, checked=["client"]) for demand in corners
        )
    yield "its client closes, and our server", lambda: closes(peer.client, server, peer.codes)
    yield "our client closes, and its server", lambda: closes(client, peer.server, peer.codes)
    if arguments.server:
        listen = [arguments.server, "--listen", "127.0.0.1:0", "--certs", str(arguments.certs)]
        yield "its client, our server over wss", lambda: wss_server(peer, listen, str(arguments.certs / "ca.crt"))
        yield from many_parts(peer, arguments)
    if arguments.client:
        yield "our client, its server over wss", lambda: wss_client(peer, [arguments.client], arguments.certs)
        yield from program.parts(sys.modules[__name__], peer, arguments.client)


def http2_parts(peer, arguments):
    """What runs over HTTP/2, which only our server speaks, and only with TLS."""
    listen = [arguments.server, "--listen", "127.0.0.1:0", "--certs", str(arguments.certs)]
    yield "its client, our server over HTTP/2", lambda: wss_server(peer, listen, str(arguments.certs / "ca.crt"))


def many_parts(peer, arguments):
    """What runs with a client that takes its defaults."""
    listen = [arguments.server, "--listen", "127.0.0.1:0", "--certs", str(arguments.certs)]
    yield f"its defaults, {MANY:,} messages", lambda: many_messages(peer, listen, str(arguments.certs / "ca.crt"))


def parts_of(peer, ours, arguments):
    """What runs with one peer."""
    if peer.name == "bun":
        return many_parts(peer, arguments)
    if peer.name == "http2":
        return http2_parts(peer, arguments)
    if not peer.server:
        return browser_parts(peer, ours)
    # The other peers would meet the same handshake and engine once more.
    blocking = blocking_parts(peer, arguments.library) if peer.name == "python" else []
    return itertools.chain(parts(peer, ours, arguments), blocking)


def main():
    """Status 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True, help="our library's program: interop client|server")
    parser.add_argument("--server", help="our server")
    parser.add_argument("--client", help="our client")
    parser.add_argument("--certs", type=Path, help="directory with ca.crt, server.crt and server.key")
    parser.add_argument("--go", required=True, help="the compiled Go peer")
    parser.add_argument("--bun", required=True, help="the program of Bun")
    parser.add_argument("--node-modules", required=True, help="directory that holds node_modules")
    parser.add_argument("--only", default="", help="run the parts with these words in their title")
    parser.add_argument("peers", nargs="*", help="python, node, bun, go, http2, chromium; default: all")
    arguments = parser.parse_args()
    os.environ["NODE_PATH"] = str(Path(arguments.node_modules) / "node_modules")
    python, node = [sys.executable], ["node"]
    ours = Peer("library", [arguments.library, "client"], [arguments.library, "server"])
    peers = [
        Peer(
            "python",
            [*python, str(HERE / "python/client.py")],
            [*python, str(HERE / "python/server.py")],
            many=[*python, str(HERE / "python/many.py")],
        ),
        Peer(
            "node",
            [*node, str(HERE / "node/client.js")],
            [*node, str(HERE / "node/server.js")],
            many=[*node, str(HERE / "node/many.js")],
        ),
        Peer("bun", None, None, many=[arguments.bun, str(HERE / "node/many.js")]),
        Peer(
            "go",
            [arguments.go, "client"],
            [arguments.go, "server"],
            windows=False,
            many=[arguments.go, "many"],
            codes=tuple(code for code in CLOSE_CODES if code != 1014),  # gorilla 1.5 does not know it
        ),
        # No implementation of both layers is at hand, so one of HTTP/2 and one of WebSocket are put together.
        Peer("http2", [*python, str(HERE / "python/http2.py")], None),
        # A page may close with these alone.
        Peer("chromium", ["node", str(HERE / "chromium/client.mjs")], None, codes=(1000, 3000, 3999, 4000, 4999)),
    ]
    failures = 0
    for peer in peers:
        if arguments.peers and peer.name not in arguments.peers:
            continue
        for title, part in parts_of(peer, ours, arguments):
            if arguments.only not in title:
                continue
            start = time.monotonic()
            try:
                outcome = f"{part()} connections"
            except (Failed, queue.Empty, subprocess.TimeoutExpired) as failed:
                failures += 1
                outcome = f"FAILED: {failed!r}" if not isinstance(failed, Failed) else f"FAILED: {failed}"
            print(f"{peer.name:8} {title:40} {time.monotonic() - start:6.1f} s  {outcome}", flush=True)
    sys.exit(1 if failures else 0)


main()
