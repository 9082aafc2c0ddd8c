"""Bags of words: which of a vocabulary's words stand in a row, in training and in served graphs."""

from __future__ import annotations

import tensorflow as tf


class Bag(tf.Module):
    """[B, len(words)] of 0 and 1 from [B, X] strings; "" is padding, unknown words are ignored."""

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__()
        self._n_words = len(words)
        # A table needs a key; "" is padding everywhere and falls outside the columns.
        keys, values = tf.constant((*words, "")), tf.range(len(words) + 1, dtype=tf.int64)
        self._columns = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values), default_value=len(words)
        )

    def __call__(self, words: tf.Tensor) -> tf.Tensor:
        # Not one-hot rows summed up: those take X times the memory of the result.
        present = tf.raw_ops.DenseBincount(
            input=self._columns.lookup(words),
            size=tf.constant(self._n_words + 1, tf.int64),
            weights=tf.constant([], tf.float32),
            binary_output=True,
        )
        return present[:, : self._n_words]
