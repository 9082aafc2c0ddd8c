"""Warm-up: the requests that a version brings along, replayed before anybody else calls it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.errors import ServingError, invalid_argument
from serving.monitoring.series import Series
from serving.servables.loaded import LoadedModel

_log = logging.getLogger(__name__)

WARMUP_FILE: Final = "assets.extra/tf_serving_warmup_requests"
"""A TFRecord file of tensorflow.serving.PredictionLog, below a version's folder."""
MAX_RECORDS: Final = 1000


def warm_up(model: LoadedModel, folder: Path, series: Series, n_iterations: int = 1) -> None:
    """Replays the records in `folder`, each `n_iterations` times; does nothing without a file.

    Raises:
      ServingError: a record cannot be read or its call fails, or there are too many.
    """
    file = folder / WARMUP_FILE
    if not file.exists():
        _log.info("No warmup data file found at %s", file)
        return
    started = time.perf_counter()
    n_records, status = 0, "OK"
    try:
        for log in _records(file):
            n_records += 1
            if n_records > MAX_RECORDS:
                raise invalid_argument(
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}"
                )
            _replay(model, log, n_iterations)
    except ServingError as error:
        status = str(error)
        raise
    finally:
        elapsed_us = (time.perf_counter() - started) * 1e6
        series.model_warmup_latency.observe(elapsed_us, str(folder), status)
        series.model_warmup_records_read.add(str(folder), status, amount=n_records)
    _log.info("Replayed %d warmup records of %s in %.0f us", n_records, file, elapsed_us)


def _records(file: Path) -> Iterator[prediction_log_pb2.PredictionLog]:
    try:
        for record in tf.compat.v1.io.tf_record_iterator(str(file)):
            try:
                yield prediction_log_pb2.PredictionLog.FromString(record)
            except DecodeError as error:
                raise invalid_argument(f"Failed to parse warmup record from {file}") from error
    except tf.errors.DataLossError as error:
        raise ServingError(
            grpc.StatusCode.DATA_LOSS,
            f"{error.message}. Please verify your warmup data is in TFRecord format.",
        ) from error


def _replay(model: LoadedModel, log: prediction_log_pb2.PredictionLog, n_iterations: int) -> None:
    kind = log.WhichOneof("log_type")
    if kind in ("predict_streamed_log", "session_run_log"):
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
        )
    if kind != "predict_log":
        # Classify and regress are not served here, and need no warming.
        _log.warning("A warmup record holds a %s, which this model server does not serve", kind)
        return
    request = log.predict_log.request
    for _ in range(n_iterations):
        model.predict(request.model_spec.signature_name, request.inputs, request.output_filter)
