"""Runs scenarios over HTTP/2 (RFC 8441) with `h2` for the streams and `wsproto` for the frames: http2.py SCENARIOS.json"""

import json
import socket
import ssl
import sys
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import h2.settings
import wsproto.events as frames
from common import message, say
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import PerMessageDeflate

TIMEOUT = 60


class Tap(PerMessageDeflate):
    """Notes RSV1 and the bytes of each message received, before they are inflated."""

    def __init__(self, wire, **offer):
        super().__init__(**offer)
        self.wire = wire

    def frame_inbound_header(self, proto, opcode, rsv, payload_length):
        if opcode in (1, 2):
            self.wire.append([rsv.rsv1, payload_length])
        elif opcode == 0:
            self.wire[-1][1] += payload_length
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)


class Http2:
    """One HTTP/2 connection with one WebSocket stream."""

    def __init__(self, url, ca):
        tls = ssl.create_default_context(cafile=ca)
        tls.set_alpn_protocols(["h2"])
        plain = socket.create_connection((url.hostname, url.port), TIMEOUT)
        self.socket = tls.wrap_socket(plain, server_hostname=url.hostname)
        if self.socket.selected_alpn_protocol() != "h2":
            raise ValueError("the server did not agree on h2")
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.http.initiate_connection()
        self.stream = None
        self.flush()
        # RFC 8441 §3: no extended CONNECT before the server's SETTINGS allow it.
        while not self.http.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL):
            for event in self.receive():
                if isinstance(event, h2.events.SettingsAcknowledged):
                    raise ValueError("the server's SETTINGS do not enable extended CONNECT")

    def flush(self):
        self.socket.sendall(self.http.data_to_send())

    def receive(self):
        """The next events; data is acknowledged at once."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server ended the connection")
        events = self.http.receive_data(data)
        for event in events:
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()
        return events

    def connect(self, url, extensions):
        """The extended CONNECT; returns the header fields of the answer."""
        self.stream = self.http.get_next_available_stream_id()
        self.http.send_headers(
            self.stream,
            [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "https"),
                (":authority", url.netloc),
                (":path", url.path + ("?" + url.query if url.query else "")),
                ("sec-websocket-version", "13"),
                ("sec-websocket-extensions", extensions),
            ],
        )
        self.flush()
        while True:
            for event in self.receive():
                if isinstance(event, h2.events.ResponseReceived):
                    return dict(event.headers)

    def send(self, data):
        """All of `data`, as the windows allow; what arrives meanwhile is given back."""
        arrived = b""
        while data:
            room = min(self.http.local_flow_control_window(self.stream), self.http.max_outbound_frame_size)
            if room:
                self.http.send_data(self.stream, data[:room])
                data = data[room:]
                self.flush()
            else:
                arrived += self.data()
        return arrived

    def data(self):
        """Bytes of the stream from the next read; None at its end."""
        arrived, ended = b"", False
        for event in self.receive():
            if isinstance(event, h2.events.DataReceived) and event.stream_id == self.stream:
                arrived += event.data
            elif isinstance(event, h2.events.StreamReset) and event.error_code == 0:
                ended = True  # a server that is done may say that it wants no more (RFC 9113 §8.1)
            elif isinstance(event, h2.events.StreamReset):
                raise ConnectionError(f"the stream was reset with {event.error_code}")
            ended |= isinstance(event, h2.events.StreamEnded)
        return None if ended and not arrived else arrived


def run(scenario):
    """What was seen of one connection."""
    url, wire = urlsplit(scenario["url"]), []
    http = Http2(url, scenario["ca"])
    deflate = Tap(wire)
    offer = deflate.offer()
    answer = http.connect(url, f"permessage-deflate; {offer}" if isinstance(offer, str) else "permessage-deflate")
    if answer[":status"] != "200":
        raise ValueError(f"status {answer[':status']}")
    accepted = answer.get("sec-websocket-extensions")
    if accepted:
        deflate.finalize(accepted)
    connection = Connection(ConnectionType.CLIENT, [deflate] if accepted else [])
    close = None

    def next_event():
        """A whole message, or a control frame."""
        parts = []
        while True:
            for event in connection.events():
                if isinstance(event, (frames.TextMessage, frames.BytesMessage)):
                    parts.append(event.data)
                    if event.message_finished:
                        return parts[0][:0].join(parts)
                elif isinstance(event, frames.Ping):
                    http.send(connection.send(event.response()))
                else:
                    return event
            connection.receive_data(http.data())

    for kind, size in scenario["messages"]:
        sent = message(kind, size)
        event = frames.TextMessage(sent) if isinstance(sent, str) else frames.BytesMessage(sent)
        arrived = http.send(connection.send(event))
        if arrived:
            connection.receive_data(arrived)
        received = next_event()
        if received != scenario.get("reply", sent):
            raise ValueError(f"{kind} message of {size} bytes came back as {str(received)[:80]}")
    http.send(connection.send(frames.CloseConnection(scenario["code"], scenario.get("reason", ""))))
    close = next_event()
    return {"agreed": accepted or None, "wire": wire, "close": [int(close.code), close.reason]}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        scenarios = json.load(file)
    for scenario in scenarios:
        try:
            say(run(scenario))
        except Exception as error:  # every failure is a line of the report
            say({"error": f"{type(error).__name__}: {error}"})


main()
