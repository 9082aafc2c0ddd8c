"""`--batching_parameters_file`: how calls are gathered into batches, by the real server's rules."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from protos.tfserving.v1 import config_pb2
from serving.errors import invalid_argument
from serving.text_files import read_text_proto


@dataclass(frozen=True, slots=True)
class BatchingParameters:
    """Limits of queues and batches; sizes are rows, that is sums of 0th dimensions."""

    max_batch_size: int = 1000
    """The largest call; also the largest batch, unless calls are split."""
    batch_timeout_s: float = 0.0
    """How long the first call of a batch waits for others."""
    max_enqueued_batches: int = 10
    """Batches that may wait, the one being filled included."""
    num_batch_threads: int = os.cpu_count() or 1
    thread_pool_name: str = ""
    allowed_batch_sizes: tuple[int, ...] = ()
    """Ascending; a batch is filled up to the next of these."""
    pad_variable_length_inputs: bool = False
    split_into: int | None = None
    """Rows of one batch if large calls are split; None leaves them whole."""

    @property
    def execution_size(self) -> int:
        """The rows of a full batch."""
        return self.max_batch_size if self.split_into is None else self.split_into

    def padded_size(self, rows: int) -> int:
        """The smallest allowed batch size that is not below `rows`; `rows` if there is none."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def default_parameters() -> BatchingParameters:
    """Those of `--enable_batching` without a file."""
    return BatchingParameters(thread_pool_name="model_server_batch_threads")


def read_batching_parameters(file: Path) -> BatchingParameters:
    """The parameters of a file in text format.

    Raises:
      ServingError: the file is missing, malformed, or asks for what cannot be.
    """
    message = read_text_proto(file, config_pb2.BatchingParameters())
    default = BatchingParameters()
    max_batch_size = _value(message, "max_batch_size", default.max_batch_size)
    timeout_us = _value(message, "batch_timeout_micros", 0)
    if timeout_us < 0:
        raise invalid_argument(f"batch_timeout_micros must be non-negative; was {timeout_us}")
    parameters = BatchingParameters(
        max_batch_size=_positive("input_batch_size_limit", max_batch_size),
        batch_timeout_s=timeout_us / 1e6,
        max_enqueued_batches=_positive(
            "max_enqueued_batches",
            _value(message, "max_enqueued_batches", default.max_enqueued_batches),
        ),
        num_batch_threads=_positive(
            "num_batch_threads", _value(message, "num_batch_threads", default.num_batch_threads)
        ),
        thread_pool_name=message.thread_pool_name.value,
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
        split_into=_split_into(message, max_batch_size),
    )
    _check_allowed_sizes(parameters)
    return parameters


def _value(message: config_pb2.BatchingParameters, field: str, default: int) -> int:
    return getattr(message, field).value if message.HasField(field) else default


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise invalid_argument(f"{name} must be positive; was {value}")
    return value


def _split_into(message: config_pb2.BatchingParameters, max_batch_size: int) -> int | None:
    if not message.enable_large_batch_splitting.value:
        return None
    size = _positive(
        "max_execution_batch_size", _value(message, "max_execution_batch_size", max_batch_size)
    )
    if max_batch_size < size:
        raise invalid_argument(
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater "
            "than or equal to max_execution_batch_size."
        )
    return size


def _check_allowed_sizes(parameters: BatchingParameters) -> None:
    sizes = parameters.allowed_batch_sizes
    if not sizes:
        return
    if any(size < 1 for size in sizes) or list(sizes) != sorted(set(sizes)):
        raise invalid_argument(f"allowed_batch_sizes must ascend from 1; they are {list(sizes)}")
    # Where calls are split, releases of the real server differ in which of the two they ask for.
    if sizes[-1] not in (parameters.max_batch_size, parameters.execution_size):
        raise invalid_argument(
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
            f"{sizes[-1]}; expected {parameters.max_batch_size}"
        )
