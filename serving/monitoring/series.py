"""The series of tensorflow_model_server that this server keeps, by their real names and labels."""

from __future__ import annotations

from collections.abc import Iterable

from serving.monitoring.metrics import Counter, Sampler, exponential_buckets

_LATENCY_US = exponential_buckets(10, 1.8, 33)
_QUEUING_US = exponential_buckets(100, 1.2, 52)
_ROWS = exponential_buckets(1, 2, 14)


class Series:
    """All series of one process. Times are in microseconds, batch sizes in rows."""

    def __init__(self) -> None:
        self.request_count = _counter("request_count", "model_name", "status")
        self.request_latency = _latency("request_latency", "model_name", "API", "entrypoint")
        self.runtime_latency = _latency("runtime_latency", "model_name", "API", "runtime")
        self.model_warmup_latency = _latency("model_warmup_latency", "model_path", "status")
        self.model_warmup_records_read = _counter(
            "model_warmup_records_read", "model_path", "status"
        )
        self.wrapped_run_count = _counter("batching_session/wrapped_run_count")
        self.queuing_latency = _of_batches("queuing_latency", _QUEUING_US, "thread_pool_name")
        self.input_batch_size = _of_batches("input_batch_size", _ROWS)
        self.processed_batch_size = _of_batches("processed_batch_size", _ROWS)
        self.padding_size = _of_batches("padding_size", _ROWS, "execution_batch_size")
        self._all: tuple[Counter | Sampler, ...] = tuple(
            sorted(vars(self).values(), key=lambda metric: metric.name)
        )

    def page(self) -> str:
        """All series in the text format of Prometheus."""
        return "\n".join(line for metric in self._all for line in metric.lines()) + "\n"

    def values(self, names: Iterable[str]) -> dict[str, int]:
        """TensorFlow's name of a counter -> its first series' value; 0 for any other name."""
        known = {metric.name: metric for metric in self._all}
        return {name: known[name].first_value() if name in known else 0 for name in names}


def _latency(name: str, *labels: str) -> Sampler:
    return Sampler(f"/tensorflow/serving/{name}", labels, _LATENCY_US)


def _of_batches(name: str, limits: tuple[float, ...], *labels: str) -> Sampler:
    return Sampler(f"/tensorflow/serving/batching_session/{name}", labels, limits)


def _counter(name: str, *labels: str) -> Counter:
    return Counter(f"/tensorflow/serving/{name}", labels)
