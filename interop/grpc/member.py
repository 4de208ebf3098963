"""A member of a room over grpcio: says each line of standard input, prints place and text of each message; see ../README.md."""

import argparse
import queue
import sys
import threading
from pathlib import Path

import grpc

from client import Service


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trust", type=Path, required=True, help="the server's certificate, or an authority that signed it")
    parser.add_argument("--tls", required=True, help="HOST:PORT")
    parser.add_argument("--room", required=True)
    parser.add_argument("--name", required=True)
    arguments = parser.parse_args()
    channel = grpc.secure_channel(arguments.tls, grpc.ssl_channel_credentials(arguments.trust.read_bytes()))
    service, requests = Service(channel), queue.Queue()
    request, say = service.message("chat.v2.ConverseRequest"), service.message("chat.v2.Say")
    join = service.message("chat.v2.SubscribeRequest")(room=arguments.room, name=arguments.name)
    requests.put(request(join=join))

    def read():
        for line in sys.stdin:
            requests.put(request(say=say(text=line.rstrip("\n"))))
        requests.put(None)

    threading.Thread(target=read, daemon=True).start()
    for event in service.method("chat.v2.ChatService", "Converse")(iter(requests.get, None)):
        if event.WhichOneof("kind") == "message" and not event.message.provisional:
            print(event.message.position, event.message.text, sep="\t", flush=True)


if __name__ == "__main__":
    main()
