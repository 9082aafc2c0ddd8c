from serving.monitoring import metrics
from serving.monitoring.metrics import Counter, Sampler, exponential_buckets
from serving.monitoring.series import Series


def test_counter_is_written_as_the_real_server_writes_it():
    """Every character of TensorFlow's name that is no letter or digit is a colon; no _total."""
    counter = Counter("/tensorflow/serving/request_count", ("model_name", "status"))
    counter.add("half", "OK")
    counter.add("half", "OK", amount=2)
    counter.add('a"b\\', "NOT_FOUND")
    assert counter.lines() == [
        "# TYPE :tensorflow:serving:request_count counter",
        ':tensorflow:serving:request_count{model_name="half",status="OK"} 3',
        r':tensorflow:serving:request_count{model_name="a\"b\\",status="NOT_FOUND"} 1',
    ]


def test_distribution_has_cumulative_buckets_sum_and_count():
    """A value counts in the bucket of its limit and in all above; +Inf has all."""
    sampler = Sampler("/t", ("m",), exponential_buckets(10, 1.8, 2))
    for value in (10, 11, 1000):
        sampler.observe(value, "a")
    assert sampler.lines() == [
        "# TYPE :t histogram",
        ':t_bucket{m="a",le="10"} 1',
        ':t_bucket{m="a",le="18"} 2',
        ':t_bucket{m="a",le="+Inf"} 3',
        ':t_sum{m="a"} 1021',
        ':t_count{m="a"} 3',
    ]


def test_callers_cannot_make_endless_series(monkeypatch):
    """Beyond the limit new label values are not kept, old ones go on counting."""
    monkeypatch.setattr(metrics, "MAX_SERIES", 2)
    counter, sampler = Counter("c", ("m",)), Sampler("s", ("m",), (1.0,))
    for name in ("a", "b", "c", "a"):
        counter.add(name)
        sampler.observe(0, name)
    assert counter.lines()[1:] == ['c{m="a"} 2', 'c{m="b"} 1']
    assert [line for line in sampler.lines() if "_count" in line] == [
        's_count{m="a"} 2',
        's_count{m="b"} 1',
    ]


def test_increases_are_read_by_tensorflows_names():
    """A counter's first series is its value for HandleReloadConfigRequest; unknown names are 0."""
    series = Series()
    series.request_count.add("m", "OK", amount=3)
    assert series.values(["/tensorflow/serving/request_count", "/nobody"]) == {
        "/tensorflow/serving/request_count": 3,
        "/nobody": 0,
    }
