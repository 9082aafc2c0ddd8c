"""The process: servables kept in step with the files, and the gRPC server in front of them."""

from __future__ import annotations

import logging
import os
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.errors import ServingError, failed_precondition, invalid_argument
from serving.flags import Flags
from serving.model_config import ModelConfigs, read_model_config
from serving.servables.lifecycle import Servables
from serving.servables.loaded import LoadedModel
from serving.service import ModelService, PredictionService

_log = logging.getLogger(__name__)

_FILE_SYSTEM_POLL_S = 1.0
_THREADS_PER_CPU = 4
_DRAIN_S = 8.0
"""Seconds that running calls get when the process is asked to end."""

_SERVER_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Two servers on one port would share the calls at random.
    ("grpc.so_reuseport", 0),
)


class ModelServer:
    """Serves the models of one configuration until it is told to stop."""

    def __init__(self, flags: Flags, configs: ModelConfigs) -> None:
        self._flags = flags
        self._configs = configs
        self._config_complaint = ""
        self._servables = Servables(LoadedModel)
        self._server = grpc.server(
            ThreadPoolExecutor(
                max_workers=_THREADS_PER_CPU * (os.cpu_count() or 1), thread_name_prefix="rpc"
            ),
            options=_SERVER_OPTIONS,
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self._servables), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._servables), self._server
        )

    def start(self) -> str:
        """Loads what there is, then listens; the address that callers can reach.

        A model that cannot be loaded is logged and reported by GetModelStatus: no failure here.

        Raises:
          ServingError: the port is taken, or a label has no version to point at.
        """
        self._servables.apply(self._configs)
        self._servables.poll()
        try:
            port = self._server.add_insecure_port(self._flags.address)
        except RuntimeError as error:
            raise invalid_argument(f"cannot listen on {self._flags.address}: {error}") from error
        self._server.start()
        return f"{self._flags.bracketed_host}:{port}"

    def follow_files(self, stopping: queue.SimpleQueue[int]) -> None:
        """Looks for new versions and a new configuration until `stopping` holds something."""
        wait_s = self._flags.model_config_file_poll_wait_seconds
        next_reload = time.monotonic() + wait_s
        while not _is_told(stopping):
            if self._flags.model_config_file and wait_s and time.monotonic() >= next_reload:
                next_reload = time.monotonic() + wait_s
                self._reload_config(Path(self._flags.model_config_file))
            self._servables.poll()

    def stop(self) -> None:
        """Ends politely: running calls may finish, then the models are freed."""
        self._server.stop(_DRAIN_S).wait()
        self._servables.close()

    def _reload_config(self, file: Path) -> None:
        try:
            configs = read_model_config(file)
            if configs is None and self._configs:
                raise failed_precondition(f"'{file}' is empty, which would leave nothing to serve")
            if configs is not None and configs != self._configs:
                self._servables.apply(configs)
                self._configs = configs
                _log.info("Reloaded %s: %s", file, ", ".join(config.name for config in configs))
            self._config_complaint = ""
        except ServingError as error:
            if str(error) != self._config_complaint:
                _log.error("Kept the old configuration, failed to reload the new one: %s", error)
            self._config_complaint = str(error)


def _is_told(stopping: queue.SimpleQueue[int]) -> bool:
    """Waits for one poll interval, or less when there is something in the queue."""
    try:
        stopping.get(timeout=_FILE_SYSTEM_POLL_S)
    except queue.Empty:
        return False
    return True
