import struct

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.errors import ServingError
from serving.monitoring.series import Series
from serving.servables.warmup import MAX_RECORDS, WARMUP_FILE, warm_up


class Recorder:
    """A model that notes what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[float], list[str]]] = []

    def predict(self, signature, inputs, output_filter):
        x = tf.make_ndarray(inputs["x"]).tolist()
        self.calls.append((signature, x, list(output_filter)))


@pytest.fixture
def model():
    return Recorder()


def write(folder, *logs: prediction_log_pb2.PredictionLog) -> None:
    (folder / WARMUP_FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(folder / WARMUP_FILE)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def predict_log(x: float, signature: str = "") -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.output_filter.append("y")
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([x])))
    return log


def test_records_are_replayed_in_order_and_as_often_as_asked(tmp_path, model):
    """Signature, inputs and outputs are those of the record."""
    write(tmp_path, predict_log(1), predict_log(2, "other"))
    warm_up(model, tmp_path, Series(), n_iterations=2)
    assert model.calls == [("", [1.0], ["y"])] * 2 + [("other", [2.0], ["y"])] * 2


def test_no_file_is_no_warm_up(tmp_path, model):
    """Warm-up is optional."""
    warm_up(model, tmp_path, Series())
    assert model.calls == []


def test_too_many_records_fail(tmp_path, model):
    """1000 are fine, 1001 are not; the text is the real server's."""
    write(tmp_path, *[predict_log(1)] * MAX_RECORDS)
    warm_up(model, tmp_path, Series())
    assert len(model.calls) == 1000
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", *[predict_log(1)] * 1001)
    with pytest.raises(ServingError, match=r"warmup records exceeds the maximum \(1000\) at ") as e:
        warm_up(model, tmp_path / "more", Series())
    assert e.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_file_that_is_no_tfrecord_fails(tmp_path, model):
    """The hint is the real server's."""
    write(tmp_path)
    (tmp_path / WARMUP_FILE).write_bytes(b"not a record at all")
    with pytest.raises(ServingError, match="Please verify your warmup data is in TFRecord") as e:
        warm_up(model, tmp_path, Series())
    assert e.value.code is grpc.StatusCode.DATA_LOSS


def test_record_that_is_no_log_fails(tmp_path, model):
    """A TFRecord of something else is INVALID_ARGUMENT."""
    (tmp_path / WARMUP_FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / WARMUP_FILE)) as writer:
        writer.write(struct.pack("<Q", 2**63))
    with pytest.raises(ServingError, match="Failed to parse warmup record from "):
        warm_up(model, tmp_path, Series())


def test_kinds_that_cannot_be_replayed(tmp_path, model, caplog):
    """session_run fails as in the real server; classify, not served here, is passed over."""
    log = prediction_log_pb2.PredictionLog()
    log.classify_log.request.model_spec.name = "m"
    write(tmp_path, log, predict_log(1))
    warm_up(model, tmp_path, Series())
    assert len(model.calls) == 1
    assert "A warmup record holds a classify_log" in caplog.text
    log.session_run_log.SetInParent()
    (tmp_path / "run").mkdir()
    write(tmp_path / "run", log)
    with pytest.raises(ServingError, match="Unsupported log_type for warmup: session_run_log"):
        warm_up(model, tmp_path / "run", Series())


def test_warm_up_is_counted(tmp_path, model):
    """The records are in the real server's series, by folder and outcome."""
    series = Series()
    write(tmp_path, predict_log(1), predict_log(1))
    warm_up(model, tmp_path, series)
    line = f':tensorflow:serving:model_warmup_records_read{{model_path="{tmp_path}",status="OK"}} 2'
    assert line in series.page().splitlines()
