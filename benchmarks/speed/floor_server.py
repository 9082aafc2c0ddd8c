"""The floor: a Python gRPC server that answers RecommendUser with the same bytes every time.

    python -m benchmarks.speed.floor_server --variant sync8 --method /a.B/C --reply FILE

Nothing is parsed, serialised, logged or looked up, and there are no interceptors: whatever a real
answer costs comes on top. Prints the address once it listens, and serves until it is terminated.
Needs grpcio alone, and uvloop for the variant that runs on it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import grpc

AIO: Final = "aio"
UVLOOP: Final = "aio_uvloop"
VARIANTS: Final = ("sync1", "sync8", "sync32", AIO, UVLOOP)
"""Pool sizes of the threaded server, and the asyncio one on two loops."""


def serve_threads(method: str, reply: bytes, n_threads: int) -> None:
    """The threaded server."""
    server = grpc.server(ThreadPoolExecutor(n_threads))
    server.add_generic_rpc_handlers((_handler(method, lambda _request, _context: reply),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    _tell(port)
    stop.wait()
    server.stop(None).wait()


async def serve_asyncio(method: str, reply: bytes) -> None:
    """The asyncio server."""

    async def answer(_request: bytes, _context: Any) -> bytes:
        return reply

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_handler(method, answer),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    _tell(port)
    await stop.wait()
    await server.stop(None)


def _handler(path: str, answer: Callable[[bytes, Any], Any]) -> grpc.GenericRpcHandler:
    """Bytes in, bytes out."""
    service, _, method = path[1:].partition("/")
    return grpc.method_handlers_generic_handler(
        service, {method: grpc.unary_unary_rpc_method_handler(answer)}
    )


def _tell(port: int) -> None:
    print(f"listening on 127.0.0.1:{port}", flush=True)


def main() -> None:
    """Serves."""
    parser = argparse.ArgumentParser(description="A gRPC server with one constant answer.")
    parser.add_argument("--variant", choices=VARIANTS, default="sync8")
    parser.add_argument("--method", required=True, help="/package.Service/Method")
    parser.add_argument("--reply", type=Path, required=True, help="file with the answer's bytes")
    options = parser.parse_args()
    reply = options.reply.read_bytes()
    # As the gateway has it.
    gc.set_threshold(20_000, 10, 10)
    if options.variant == AIO:
        asyncio.run(serve_asyncio(options.method, reply))
    elif options.variant == UVLOOP:
        uvloop = import_module("uvloop")
        uvloop.run(serve_asyncio(options.method, reply))
    else:
        serve_threads(options.method, reply, int(options.variant.removeprefix("sync")))


if __name__ == "__main__":
    main()
