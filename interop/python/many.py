"""Exchanges many messages with our server by the `websockets` library as it comes: many.py URL CA COUNT"""

import asyncio
import json
import ssl
import sys

from websockets.asyncio.client import connect

IN_FLIGHT = 32


def message(number):
    """The same as in interop/many.js."""
    if number % 10 == 9:
        return bytes((number * 31 + at * at * 17) & 255 for at in range(number * 7 % 300))
    side = "buy" if number % 3 else "sell"
    text = f'{{"type":"trade","n":{number},"side":"{side}","price":{number * 7919 % 100_000},"note":"olá"}}'
    return text * (1 + number % 7 * 20) if number % 100 == 50 else text


async def main():
    url, ca, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    async with connect(url, ssl=ssl.create_default_context(cafile=ca)) as connection:
        extensions = connection.response.headers.get("Sec-WebSocket-Extensions", "")
        sent = 0
        for received in range(count):
            while sent < count and sent - received < IN_FLIGHT:
                await connection.send(message(sent))
                sent += 1
            if await connection.recv() != message(received):
                sys.exit(f"message {received} came back otherwise")
    if connection.close_code != 1000:
        sys.exit(f"closed with {connection.close_code}")
    print(json.dumps({"extensions": extensions, "messages": count}))


asyncio.run(main())
