"""Waits for a gRPC channel that the authority given as file must vouch for: ready.py CA HOST:PORT."""

import sys
from pathlib import Path

import grpc

credentials = grpc.ssl_channel_credentials(Path(sys.argv[1]).read_bytes())
with grpc.secure_channel(sys.argv[2], credentials) as channel:
    grpc.channel_ready_future(channel).result(timeout=20)
