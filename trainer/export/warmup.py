"""Warm-up records: calls that a model server makes before a version becomes AVAILABLE.

The file is a TFRecord of PredictionLog, as TensorFlow Serving wants it: one record for each
signature and batch size, and one for each choice of outputs that callers fetch. A record that fails
makes the whole load fail, so that `verify` replays them all before anything is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.contract import BATCH_SIZES, FETCHED, OPTIONAL_SERVABLES, WARMUP_FILE, signatures_of
from trainer.export.golden import to_tensors

MAX_RECORDS = 1000
"""With more, TensorFlow Serving refuses to load the version."""

_WIDTH = 16
"""Values of a padded row, a bucket's width: shapes matter little on a CPU, bytes on disk do."""

Example = tuple[str, str, Mapping[str, Any]]
"""(servable, signature, inputs as nested lists of one row)."""


def write_warmup(saved_model: Path, servable: str, examples: Iterable[Example]) -> None:
    """Writes the records of a servable.

    Args:
      saved_model: the servable's folder.
      servable: its name; a ScaNN flavour is called as what it stands in for.
      examples: calls of all servables; the first of each signature is taken.

    Raises:
      ValueError: a signature has no example.
    """
    inputs: dict[str, Mapping[str, Any]] = {}
    for named, signature, values in examples:
        if named == OPTIONAL_SERVABLES.get(servable, servable):
            inputs.setdefault(signature, values)
    lacking = sorted(set(signatures_of(servable)) - set(inputs))
    if lacking:
        raise ValueError(f"{servable}: no example of {', '.join(lacking)}")
    path = saved_model / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, values in inputs.items():
            narrow = {name: [_narrowed(value[0])] for name, value in values.items()}
            for size in BATCH_SIZES:
                rows = {name: value * size for name, value in narrow.items()}
                writer.write(_record(servable, signature, rows).SerializeToString())
            for outputs in _fetched(servable, signature):
                writer.write(_record(servable, signature, narrow, outputs).SerializeToString())


def read_warmup(saved_model: Path) -> Iterator[prediction_log_pb2.PredictionLog]:
    """The records of a servable.

    Raises:
      OSError: there is no such file.
      tf.errors.DataLossError, google.protobuf.message.DecodeError: it is damaged.
    """
    path = saved_model / WARMUP_FILE
    if not path.is_file():
        raise FileNotFoundError(path)
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        yield prediction_log_pb2.PredictionLog.FromString(record)


def warmup_problems(servable: str, saved_model: Path, loaded: Any) -> Iterator[str]:
    """What would keep a model server from warming up: replays every record.

    Args:
      servable: name under which its signatures are defined.
      loaded: the SavedModel, as tf.saved_model.load returns it.
    """
    records = list(read_warmup(saved_model))
    if len(records) > MAX_RECORDS:
        yield f"{servable}: {len(records)} warm-up records, at most {MAX_RECORDS} are allowed"
    seen, fetched = set(), set()
    for record in records:
        request = record.predict_log.request
        signature = request.model_spec.signature_name
        if signature not in loaded.signatures:
            yield f"{servable}: a warm-up record calls {signature!r}, which is no signature"
            continue
        inputs = {
            name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()
        }
        try:
            outputs = loaded.signatures[signature](**inputs)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            yield f"{servable}: a warm-up record of {signature} fails: {error}"
            continue
        if unknown := sorted(set(request.output_filter) - set(outputs)):
            yield f"{servable}: a warm-up record of {signature} fetches {', '.join(unknown)}"
        seen.add((signature, int(next(iter(inputs.values())).shape[0])))
        fetched.add((signature, tuple(request.output_filter)))
    wanted = {(signature, size) for signature in signatures_of(servable) for size in BATCH_SIZES}
    yield from (
        f"{servable}: no warm-up record of {signature} with batch size {size}"
        for signature, size in sorted(wanted - seen)
    )
    yield from (
        f"{servable}: no warm-up record of {signature} that fetches {', '.join(outputs)}"
        for signature in signatures_of(servable)
        for outputs in _fetched(servable, signature)
        if (signature, outputs) not in fetched
    )


def _fetched(servable: str, signature: str) -> tuple[tuple[str, ...], ...]:
    """What callers fetch of a signature, where that is not all of its outputs."""
    return FETCHED.get((OPTIONAL_SERVABLES.get(servable, servable), signature), ())


def _record(
    servable: str, signature: str, rows: Mapping[str, list[Any]], outputs: Sequence[str] = ()
) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = servable
    request.model_spec.signature_name = signature
    request.output_filter.extend(outputs)
    for name, tensor in to_tensors(servable, signature, rows).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
    return log


def _narrowed(row: Any) -> Any:
    """The neutral first value and the newest of the others."""
    if isinstance(row, list) and len(row) > _WIDTH:
        return [row[0], *row[1 - _WIDTH :]]
    return row
