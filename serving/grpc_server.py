"""The gRPC server: threads, limits, TCP port and UNIX socket, TLS, health."""

from __future__ import annotations

import errno
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from protos.tfserving.v1 import config_pb2
from serving.errors import invalid_argument
from serving.flags import Flags
from serving.text_files import read_text_proto

_log = logging.getLogger(__name__)

_WAITING_THREADS = 64
"""Calls that may wait for a batch, beside those that are computed."""

_OPTIONS: dict[str, int | str] = {
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    # Two servers on one port would share the calls at random.
    "grpc.so_reuseport": 0,
}

# The real server's bare names, which are not the services' full ones.
_HEALTHY = ("", "ModelService", "PredictionService")


def channel_arguments(text: str) -> dict[str, int | str]:
    """What `--grpc_channel_arguments` says: "a=1,b=x" is a number and a text.

    Raises:
      ServingError: INVALID_ARGUMENT, a part is not key=value.
    """
    arguments: dict[str, int | str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not key or not equals:
            raise invalid_argument(f"--grpc_channel_arguments: {part!r} is not key=value")
        is_number = value.removeprefix("-").isascii() and value.removeprefix("-").isdecimal()
        arguments[key] = int(value) if is_number else value
    return arguments


def create_server(flags: Flags) -> grpc.Server:
    """A server without ports and services.

    Raises:
      ServingError: INVALID_ARGUMENT, the channel arguments are malformed.
    """
    server = grpc.server(
        ThreadPoolExecutor(
            max_workers=flags.grpc_max_threads + _WAITING_THREADS, thread_name_prefix="rpc"
        ),
        # Of two values of one argument, gRPC would take the first.
        options=tuple((_OPTIONS | channel_arguments(flags.grpc_channel_arguments)).items()),
    )
    if flags.enable_grpc_healthcheck_service:
        servicer = health.HealthServicer()
        for name in _HEALTHY:
            servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return server


def listen(server: grpc.Server, flags: Flags) -> list[str]:
    """Opens what the flags ask for; the addresses that callers can reach.

    Raises:
      ServingError: INVALID_ARGUMENT, an address cannot be had or the TLS files are wrong.
    """
    credentials = _credentials(flags)
    reached = []
    if flags.port or not flags.grpc_socket_path:
        port = _add(server, flags.address, credentials)
        reached.append(f"{flags.bracketed_host}:{port}")
    if flags.grpc_socket_path:
        _add(server, f"unix:{flags.grpc_socket_path}", credentials)
        reached.append(f"UNIX socket {flags.grpc_socket_path}")
    return reached


def require_free_ports(flags: Flags) -> None:
    """Raises before the models are loaded, which takes minutes, and not after.

    `listen` has the last word: another process may still be quicker. Where a host has several
    addresses, this is the stricter one, as gRPC is content with any of them.

    Raises:
      ServingError: INVALID_ARGUMENT, a port is taken.
    """
    arguments = channel_arguments(flags.grpc_channel_arguments)
    if not arguments.get("grpc.so_reuseport") and is_taken(flags.host, flags.port):
        raise invalid_argument(f"cannot listen on {flags.address}: {taken('--port')}")
    if is_taken(flags.host, flags.rest_api_port):
        address = f"{flags.bracketed_host}:{flags.rest_api_port}"
        raise invalid_argument(f"cannot listen on {address}: {taken('--rest_api_port')}")


def is_taken(host: str, port: int) -> bool:
    """Whether another process has this port on every address of the host; never of port 0."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM) if port else []
    except (OSError, UnicodeError):
        # It is no name of a host: `listen` says so.
        return False
    return bool(found) and all(_in_use(*address) for address in found)


def taken(flag: str) -> str:
    """What to tell of a taken port that a flag names."""
    return f"the address is already in use, {flag} chooses another port"


def _in_use(family: int, kind: int, protocol: int, _canonical: str, where: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family, kind, protocol) as probe:
            # As gRPC does: a port whose last connections are still fading away is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def _add(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise invalid_argument(f"cannot listen on {address}: {error}") from error


def _credentials(flags: Flags) -> grpc.ServerCredentials | None:
    """What `--ssl_config_file` says; None for an open port."""
    if not flags.ssl_config_file:
        return None
    config = read_text_proto(Path(flags.ssl_config_file), config_pb2.SSLConfig())
    if config.client_verify and not config.custom_ca:
        raise invalid_argument(f"{flags.ssl_config_file}: client_verify needs custom_ca")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
