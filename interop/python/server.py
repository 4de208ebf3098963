"""Echo server with the `websockets` library: server.py [--cert FILE --key FILE] [--demand JSON]"""

import argparse
import asyncio
import json
import ssl
from urllib.parse import parse_qs, urlsplit

from common import agreed, close_received, say, tap
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

arguments = argparse.ArgumentParser()
arguments.add_argument("--cert")
arguments.add_argument("--key")
arguments.add_argument("--demand", type=json.loads, default={})
arguments = arguments.parse_args()


async def handle(connection):
    wire = []
    record = {"path": connection.request.path, "agreed": agreed(connection, "server"), "wire": wire}
    tap(connection, wire)
    url = urlsplit(connection.request.path)
    try:
        if url.path == "/close":
            query = parse_qs(url.query)
            await connection.close(int(query["code"][0]), query.get("reason", [""])[0])
        while True:
            await connection.send(await connection.recv())
    except ConnectionClosed:
        record["close"] = close_received(connection)
    except Exception as error:  # every failure is a line of the report
        record["error"] = f"{type(error).__name__}: {error}"
    say(record)


async def main():
    tls = None
    if arguments.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.cert, arguments.key)
    demand = arguments.demand
    factory = ServerPerMessageDeflateFactory(
        server_no_context_takeover=demand.get("server_no_context_takeover", False),
        client_no_context_takeover=demand.get("client_no_context_takeover", False),
        server_max_window_bits=demand.get("server_max_window_bits"),
        client_max_window_bits=demand.get("client_max_window_bits"),
    )
    async with serve(
        handle, "127.0.0.1", 0, ssl=tls, compression=None, extensions=[factory], max_size=64 << 20, ping_interval=None
    ) as server:
        say({"listening": server.sockets[0].getsockname()[1]})
        await asyncio.Future()


asyncio.run(main())
