"""Small SavedModels whose answers are known by arithmetic; each function writes one folder."""

from pathlib import Path

import tensorflow as tf


def export_affine(folder: Path, slope: float = 0.5, shift: float = 2.0) -> None:
    """TF2: serving_default {x: float [None]} -> {y: slope x + shift}, from two variables."""

    class Affine(tf.Module):
        def __init__(self):
            super().__init__()
            self.slope = tf.Variable(slope)
            self.shift = tf.Variable(shift)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def serve(self, x):
            return {"y": self.slope * x + self.shift}

    module = Affine()
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def export_tf1_affine(folder: Path) -> None:
    """TF1: serving_default {x: float [None, 1]} -> {y: x / 2 + 2}, from a session's graph."""
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None, 1], name="x")
        slope = v1.get_variable("slope", initializer=0.5, use_resource=True)
        y = slope * x + 2.0
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def(inputs={"x": x}, outputs={"y": y})
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()


def export_tf1_twins(folder: Path) -> None:
    """TF1: serving_default {x: float [None]} -> {a, b}: one and the same tensor, 2 x."""
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        y = 2.0 * x
        signature = v1.saved_model.predict_signature_def(inputs={"x": x}, outputs={"a": y, "b": y})
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()


def export_count(folder: Path) -> None:
    """TF2: serving_default {n: int64 [1]} -> {counted: n}, after n steps of a loop."""

    class Count(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1], tf.int64, name="n")])
        def serve(self, n):
            return {"counted": tf.while_loop(lambda i: i[0] < n[0], lambda i: (i + 1,), [n * 0])[0]}

    module = Count()
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def export_total(folder: Path) -> None:
    """TF2: serving_default {x: float [None, None]} -> {total: float []}; dimension 0 is no batch.

    Also transposed {x: float [2, None]} -> {y: float [None, 2]}.
    """

    class Total(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
        def serve(self, x):
            return {"total": tf.reduce_sum(x)}

        @tf.function(input_signature=[tf.TensorSpec([2, None], tf.float32, name="x")])
        def transposed(self, x):
            return {"y": tf.transpose(x)}

    module = Total()
    tf.saved_model.save(
        module,
        str(folder),
        signatures={"serving_default": module.serve, "transposed": module.transposed},
    )


def export_words(folder: Path) -> None:
    """TF2: strings and two signatures with different outputs.

    serving_default {words: string [None, None], suffix: string [None]} -> {joined: each row
    with the suffix, n_bytes: int64 of each row};
    split {text: string [None]} -> {first: string [None], is_empty: bool [None]}.
    """

    class Words(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None], tf.string, name="words"),
                tf.TensorSpec([None], tf.string, name="suffix"),
            ]
        )
        def serve(self, words, suffix):
            joined = tf.strings.reduce_join(words, axis=1) + suffix
            n_bytes = tf.cast(tf.strings.length(joined), tf.int64)
            return {"joined": joined, "n_bytes": n_bytes}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def split(self, text):
            return {"first": tf.strings.substr(text, 0, 1), "is_empty": tf.equal(text, "")}

    module = Words()
    tf.saved_model.save(
        module, str(folder), signatures={"serving_default": module.serve, "split": module.split}
    )


def export_lookup(folder: Path) -> None:
    """TF2: serving_default {id: string [None]} -> {index: int64}, a table a=10, b=20, else -1."""

    class Lookup(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(["a", "b"]), tf.constant([10, 20], tf.int64)
                ),
                default_value=-1,
            )

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="id")])
        def serve(self, id):  # noqa: A002 - the input's name
            return {"index": self.table.lookup(id)}

    module = Lookup()
    tf.saved_model.save(module, str(folder), signatures=module.serve)
