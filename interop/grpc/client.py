"""Calls the server with grpcio, which knows the services from reflection alone; see ../README.md."""

import argparse
import concurrent.futures
import os
import queue
import signal
from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TIMEOUT = 20
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def expect(what, seen, wanted):
    """Raises unless both are equal."""
    if seen != wanted:
        raise SystemExit(f"{what}: saw {seen!r}, expected {wanted!r}")


def code_of(call):
    """The status that a call fails with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


class Service:
    """The services' messages and methods as reflection describes them."""

    def __init__(self, channel):
        self.channel = channel
        database = ProtoReflectionDescriptorDatabase(channel)
        self.services = set(database.get_services())
        self.pool = descriptor_pool.DescriptorPool(database)

    def message(self, name):
        """The class of a message."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def method(self, service, method):
        """A method, ready to be called."""
        described = self.pool.FindServiceByName(service).FindMethodByName(method)
        kinds = {(False, False): "unary_unary", (False, True): "unary_stream", (True, True): "stream_stream"}
        kind = kinds[described.client_streaming, described.server_streaming]
        return getattr(self.channel, kind)(
            f"/{service}/{method}",
            request_serializer=self.message(described.input_type.full_name).SerializeToString,
            response_deserializer=self.message(described.output_type.full_name).FromString,
        )


def check(name, channel):
    """Everything that a client sees while the server is up."""
    grpc.channel_ready_future(channel).result(timeout=TIMEOUT)
    service = Service(channel)
    expect(
        f"{name}: services",
        service.services >= {"chat.ChatService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"},
        True,
    )
    message, send = service.message("chat.Message"), service.method("chat.ChatService", "SendMessage")
    reply = send(message(sender="Alice", text="Olá, gRPC!"), timeout=TIMEOUT).reply
    expect(f"{name}: reply", f"Resposta do servidor: {reply}", "Resposta do servidor: Mensagem recebida: Olá, gRPC!")

    # More calls at once than streams are allowed: they wait for their turn.
    calls = [send.future(message(sender="Alice", text=str(number)), timeout=TIMEOUT) for number in range(500)]
    replies = [call.result().reply for call in calls]
    expect(f"{name}: 500 calls", replies, [f"Mensagem recebida: {number}" for number in range(500)])
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        sizes = [0, 1, 1000, 65_535, 65_536, 1_000_000]
        replies = list(pool.map(lambda size: send(message(text="x" * size), timeout=TIMEOUT).reply, sizes))
    expect(f"{name}: sizes", [len(reply) - len("Mensagem recebida: ") for reply in replies], sizes)

    code = code_of(lambda: send(message(text="x" * (1 << 20)), timeout=TIMEOUT))
    expect(f"{name}: message beyond the limit", code, grpc.StatusCode.RESOURCE_EXHAUSTED)
    unknown = channel.unary_unary("/chat.ChatService/Nothing")
    expect(f"{name}: unknown method", code_of(lambda: unknown(b"", timeout=TIMEOUT)), grpc.StatusCode.UNIMPLEMENTED)
    unknown = channel.unary_unary("/nobody.Service/Nothing")
    expect(f"{name}: unknown service", code_of(lambda: unknown(b"", timeout=TIMEOUT)), grpc.StatusCode.UNIMPLEMENTED)

    health = health_pb2_grpc.HealthStub(channel)
    for known in ("", "chat.ChatService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=known), timeout=TIMEOUT)
        expect(f"{name}: health of {known!r}", answer.status, SERVING)
    request = health_pb2.HealthCheckRequest(service="nobody.Service")
    code = code_of(lambda: health.Check(request, timeout=TIMEOUT))
    expect(f"{name}: health of an unknown service", code, grpc.StatusCode.NOT_FOUND)
    code = code_of(lambda: list(health.Watch(health_pb2.HealthCheckRequest(), timeout=0.3)))
    expect(f"{name}: deadline", code, grpc.StatusCode.DEADLINE_EXCEEDED)
    print(f"{name}: passed", flush=True)


def next_event(events, kind):
    """The next event of this kind; presence goes by."""
    for event in events:
        seen = event.WhichOneof("kind")
        if seen != "presence":
            expect("kind of event", seen, kind)
            return getattr(event, kind)
    raise SystemExit(f"the stream ended before {kind}")


def check_rooms(channels):
    """A room with one member over TLS and one without, in both directions."""
    room, members = "interop", {}
    for name, channel in channels.items():
        service, requests = Service(channel), queue.Queue()
        request = service.message("chat.v2.ConverseRequest")
        events = service.method("chat.v2.ChatService", "Converse")(iter(requests.get, None), timeout=TIMEOUT)
        requests.put(request(join=service.message("chat.v2.SubscribeRequest")(room=room, name=name)))
        expect("room", next_event(events, "joined").room, room)
        members[name] = (requests, events, lambda text, request=request, say=service.message("chat.v2.Say"): request(say=say(text=text)))
    for name, (requests, _, say) in members.items():
        requests.put(say(f"olá from {name}"))
        for _, events, _ in members.values():
            message = next_event(events, "message")
            expect("message", (message.sender, message.text), (name, f"olá from {name}"))
    service = Service(channels["plain"])
    send, request = service.method("chat.v2.ChatService", "Send"), service.message("chat.v2.SendRequest")
    place = send(request(room=room, sender="eva", text="sent"), timeout=TIMEOUT).position
    for requests, events, _ in members.values():
        expect("place", next_event(events, "message").position, place)
        requests.put(None)
        expect("end", [event for event in events if event.WhichOneof("kind") != "presence"], [])
    code = code_of(lambda: send(request(room="no room", sender="eva", text="x"), timeout=TIMEOUT))
    expect("a room's name", code, grpc.StatusCode.INVALID_ARGUMENT)
    print("rooms: passed", flush=True)


def check_end(watches, stop):
    """What clients see of the server's end: it is not serving, and then their calls are unavailable."""
    for watch in watches:
        expect("health before the end", next(watch).status, SERVING)
    stop()
    for watch in watches:
        expect("health at the end", next(watch).status, NOT_SERVING)
        expect("the end of a watch", code_of(lambda: next(watch)), grpc.StatusCode.UNAVAILABLE)
    print("end: passed", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trust", type=Path, required=True, help="the server's certificate, or an authority that signed it")
    parser.add_argument("--tls", required=True, help="HOST:PORT with TLS")
    parser.add_argument("--plain", required=True, help="HOST:PORT without TLS")
    parser.add_argument("--pid", type=int, required=True, help="the server's process, told to end at the end")
    arguments = parser.parse_args()
    credentials = grpc.ssl_channel_credentials(arguments.trust.read_bytes())
    channels = {
        "tls": grpc.secure_channel(arguments.tls, credentials),
        "plain": grpc.insecure_channel(arguments.plain),
    }
    for name, channel in channels.items():
        check(name, channel)
    check_rooms(channels)
    watches = [
        health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
        for channel in channels.values()
    ]
    check_end(watches, lambda: os.kill(arguments.pid, signal.SIGTERM))


if __name__ == "__main__":
    main()
