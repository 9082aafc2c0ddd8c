"""Raw ratings in, a verified release out."""

import os

# TensorFlow Recommenders needs Keras 2, and reads this when TensorFlow is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# TensorFlow's start-up chatter; a user's own setting wins.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
