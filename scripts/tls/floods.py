"""Floods of messages beneath the application (T8): `floods.py PORT`; exit code 0 when every one is ended by the server.

Each connection sends more of a kind than anybody needs; the server must end it with a fatal alert or a close, and then
still answer an honest client.
"""

import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import AlertDescription, AlertLevel, KeyUpdateMessageType
from tlslite.errors import TLSError
from tlslite.messages import Alert, ClientHello

TIMEOUT = 10
failures = 0


def check(words, good, seen=""):
    """Prints one line."""
    global failures
    print(f"ok    {words}" if good else f"FAIL  {words}: {seen}")
    failures += not good


def dial(port, version):
    """A connection of one TLS version, its handshake done."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = version
    connection = TLSConnection(socket.create_connection(("127.0.0.1", port), TIMEOUT))
    connection.handshakeClientCert(settings=settings, serverName="localhost", alpn=[b"http/1.1"])
    return connection


def send(connection, message):
    """One message in a record of its own."""
    for _ in connection._sendMsg(message):  # the library has no public way to misbehave
        pass


def flood(port, version, count, one):
    """How many of `count` messages were taken before the server ended the connection, and how it did."""
    connection = dial(port, version)
    sent = 0
    try:
        for sent in range(1, count + 1):
            one(connection)
        connection.sock.settimeout(TIMEOUT)
        if connection.read(1) == b"":
            return sent, "closed"
        return sent, "answered"
    except (TLSError, OSError) as error:
        return sent, f"{type(error).__name__} {error}"
    finally:
        connection.sock.close()


def is_alive(port):
    """Whether an honest client is answered."""
    connection = dial(port, (3, 4))
    connection.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return connection.read(15, 15).startswith(b"HTTP/1.1 200")


def key_update(connection):
    for _ in connection.send_keyupdate_request(KeyUpdateMessageType.update_not_requested):
        pass


def key_update_with_answer(connection):
    for _ in connection.send_keyupdate_request(KeyUpdateMessageType.update_requested):
        pass


def warning(connection):
    send(connection, Alert().create(AlertDescription.user_canceled, AlertLevel.warning))


def renegotiation(connection):
    hello = ClientHello().create((3, 3), bytearray(32), bytearray(), [0x002F])
    send(connection, hello)


def main():
    port = int(sys.argv[1])
    for words, version, count, one in [
        ("T8 10,000 KeyUpdates", (3, 4), 10_000, key_update),
        ("T8 10,000 KeyUpdates that ask for one", (3, 4), 10_000, key_update_with_answer),
        ("T8 100 warning alerts, TLS 1.2", (3, 3), 100, warning),
        ("T8 100 warning alerts, TLS 1.3", (3, 4), 100, warning),
        ("T8 100 renegotiations, TLS 1.2", (3, 3), 100, renegotiation),
    ]:
        sent, end = flood(port, version, count, one)
        check(f"{words}: ended after {sent} at most", end not in ("answered", "TimeoutError timed out"), end)
        check(f"{words}: an honest client is answered", is_alive(port))
    sys.exit(1 if failures else 0)


main()
