"""The process: servables kept in step with the files, gRPC and REST in front of them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.batching.parameters import default_parameters, read_batching_parameters
from serving.batching.scheduler import BatchScheduler
from serving.errors import ServingError, invalid_argument
from serving.flags import Flags
from serving.grpc_server import create_server, listen, require_free_ports
from serving.model_config import ModelConfigs, model_configs, read_model_config
from serving.monitoring.config import read_metrics_path
from serving.monitoring.series import Series
from serving.prediction import Predictor
from serving.rest.routes import RestOptions, Routes
from serving.rest.server import RestServer
from serving.servables.lifecycle import Retries, Servables
from serving.servables.loader import ModelLoader
from serving.service import ModelService, PredictionService

_log = logging.getLogger(__name__)

_DRAIN_S = 8.0
"""Seconds that running calls get when the process is asked to end."""

LOOK_AGAIN = 0
"""In the queue of signals: no signal, but something that `follow_files` has to see to."""


class ModelServer:
    """Serves the models of one configuration after the other until it is told to stop."""

    def __init__(
        self, flags: Flags, configs: ModelConfigs | None, signals: queue.SimpleQueue[int]
    ) -> None:
        """Touches neither models nor ports.

        Args:
          flags: of the process.
          configs: the first configuration; None until a reload brings one.
          signals: filled by the signals that end the process.

        Raises:
          ServingError: a configuration file is missing or malformed.
        """
        self._flags = flags
        self._configs = configs
        self._signals = signals
        self._config_complaint = ""
        self._reloading = threading.Lock()
        self._series = Series()
        self._scheduler = _scheduler(flags, self._series)
        self._servables = Servables(
            ModelLoader(
                tags=tuple(flags.saved_model_tags.split(",")),
                session_config=_session_config(flags),
                series=self._series,
                scheduler=self._scheduler,
                n_warmup_iterations=max(flags.num_request_iterations_for_warmup, 1)
                if flags.enable_model_warmup
                else 0,
            ),
            Retries(flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6),
            labels_may_wait=flags.allow_version_labels_for_unavailable_models,
        )
        self._predictor = Predictor(
            self._servables, self._series, as_content=flags.enable_serialization_as_tensor_content
        )
        self._metrics_path = (
            read_metrics_path(Path(flags.monitoring_config_file))
            if flags.monitoring_config_file
            else None
        )
        self._server = create_server(flags)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self._predictor, self._servables, self._series), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._servables, self._reload_request, self._series), self._server
        )
        self._rest: RestServer | None = None

    def start(self) -> list[str]:
        """Loads what there is, then listens; the gRPC addresses that callers can reach.

        A model that cannot be loaded is logged and reported by GetModelStatus: no failure here.

        Raises:
          ServingError: a port is taken, or a label has no version to point at.
        """
        require_free_ports(self._flags)
        if self._configs is not None:
            self._servables.apply(self._configs)
            self._look_for_versions()
        addresses = listen(self._server, self._flags)
        self._start_rest()
        self._server.start()
        return addresses

    def follow_files(self) -> None:
        """Looks for new versions and a new configuration until a signal comes."""
        config_wait_s = self._flags.model_config_file_poll_wait_seconds
        if not self._flags.model_config_file:
            config_wait_s = 0
        version_wait_s = self._flags.file_system_poll_wait_seconds
        now = time.monotonic()
        next_config, next_versions = now + config_wait_s, now + version_wait_s
        while True:
            due = [at for at in (self._servables.next_retry_at(),) if at is not None]
            due += [next_config] if config_wait_s > 0 else []
            due += [next_versions] if version_wait_s > 0 else []
            if self._wait(min(due, default=None)):
                return
            now = time.monotonic()
            if config_wait_s > 0 and now >= next_config:
                next_config = now + config_wait_s
                self._reload_file(Path(self._flags.model_config_file))
            if version_wait_s > 0 and now >= next_versions:
                self._servables.poll()
                next_versions = time.monotonic() + version_wait_s
            self._servables.load_due()

    def stop(self) -> None:
        """Ends politely: running calls may finish, then the models are freed."""
        stopped = self._server.stop(_DRAIN_S)
        if self._rest is not None:
            self._rest.stop(_DRAIN_S)
        stopped.wait()
        self._servables.close()
        if self._scheduler is not None:
            self._scheduler.close()

    def _wait(self, until: float | None) -> bool:
        """Waits until there is something to do; whether that is to end."""
        try:
            timeout_s = None if until is None else max(0.0, until - time.monotonic())
            return self._signals.get(timeout=timeout_s) != LOOK_AGAIN
        except queue.Empty:
            return False

    def _start_rest(self) -> None:
        flags = self._flags
        if not flags.rest_api_port:
            return
        options = RestOptions(
            timeout_ms=max(flags.rest_api_timeout_in_ms, 0),
            allows_cors=flags.rest_api_enable_cors_support,
            metrics_path=self._metrics_path,
        )
        routes = Routes(self._servables, self._predictor, self._series, options)
        try:
            self._rest = RestServer(
                flags.host, flags.rest_api_port, routes, flags.rest_api_num_threads
            )
        except OSError as error:
            address = f"{flags.bracketed_host}:{flags.rest_api_port}"
            raise invalid_argument(f"cannot listen on {address}: {error.strerror}") from error
        self._rest.start()
        _log.info("Exporting HTTP/REST API at:%s:%d ...", flags.host, flags.rest_api_port)

    def _look_for_versions(self) -> None:
        """What a new configuration entails, unless the file system is not to be read at all."""
        if self._flags.file_system_poll_wait_seconds >= 0:
            self._servables.poll()

    def _reload(self, configs: ModelConfigs) -> None:
        with self._reloading:
            if configs != self._configs:
                self._servables.apply(configs)
                self._configs = configs
                names = ", ".join(config.name for config in configs)
                _log.info("Took up a new configuration: %s", names)
            self._look_for_versions()

    def _reload_request(
        self,
        request: model_management_pb2.ReloadConfigRequest,
        is_waiting: Callable[[], bool],
    ) -> None:
        known = {config.name for config in self._configs or ()}
        configs = model_configs(request.config) or ()
        self._reload(configs)
        self._signals.put(LOOK_AGAIN)
        new = [config.name for config in configs if config.name not in known]
        self._servables.wait_until_loaded(new, is_waiting)

    def _reload_file(self, file: Path) -> None:
        try:
            configs = read_model_config(file)
            if configs is None:
                _log.info("Taking no action for empty config.")
            elif configs != self._configs:
                self._reload(configs)
            self._config_complaint = ""
        except ServingError as error:
            if str(error) != self._config_complaint:
                _log.error("Kept the old configuration, failed to reload the new one: %s", error)
            self._config_complaint = str(error)


def _scheduler(flags: Flags, series: Series) -> BatchScheduler | None:
    if not flags.enable_batching:
        if flags.batching_parameters_file:
            raise invalid_argument(
                "server_options.batching_parameters_file is set without setting "
                "server_options.enable_batching to true."
            )
        return None
    if not flags.batching_parameters_file:
        return BatchScheduler(default_parameters(), series)
    return BatchScheduler(read_batching_parameters(Path(flags.batching_parameters_file)), series)


def _session_config(flags: Flags) -> config_pb2.ConfigProto:
    session = flags.tensorflow_session_parallelism
    intra, inter = flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism
    if session and intra and inter:
        raise invalid_argument(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, "
            "server_options.tensorflow_inter_op_parallelism) separately. "
            "You cannot configure all."
        )
    if not intra and not inter:
        intra = inter = session
    return config_pb2.ConfigProto(
        intra_op_parallelism_threads=intra, inter_op_parallelism_threads=inter
    )
