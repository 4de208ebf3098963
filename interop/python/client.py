"""Runs scenarios against a server with the `websockets` library: client.py SCENARIOS.json"""

import asyncio
import json
import ssl
import sys

from common import agreed, close_received, message, say, tap
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

TIMEOUT = 60


async def run(scenario):
    offer = scenario["offer"]
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=offer.get("server_no_context_takeover", False),
        client_no_context_takeover=offer.get("client_no_context_takeover", False),
        server_max_window_bits=offer.get("server_max_window_bits"),
        client_max_window_bits=offer.get("client_max_window_bits"),
    )
    tls = ssl.create_default_context(cafile=scenario["ca"]) if scenario.get("ca") else None
    wire = []
    async with connect(
        scenario["url"], ssl=tls, compression=None, extensions=[factory], max_size=64 << 20, ping_interval=None
    ) as connection:
        tap(connection, wire)
        for kind, size in scenario["messages"]:
            sent = message(kind, size)
            await connection.send(sent)
            received = await connection.recv()
            expected = scenario.get("reply", sent)
            if received != expected:
                raise ValueError(f"{kind} message of {size} bytes came back as {received[:80]!r}")
        if scenario.get("code"):
            await connection.close(scenario["code"], scenario.get("reason", ""))
        else:
            await connection.wait_closed()
        return {"agreed": agreed(connection, "client"), "wire": wire, "close": close_received(connection)}


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        scenarios = json.load(file)
    for scenario in scenarios:
        try:
            say(await asyncio.wait_for(run(scenario), TIMEOUT))
        except Exception as error:  # every failure is a line of the report
            say({"error": f"{type(error).__name__}: {error}"})


asyncio.run(main())
