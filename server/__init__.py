"""The gateway of recserve: RecommenderService over gRPC, without TensorFlow."""

import os

# Requests run side by side; threads inside one of their small products would wait for each other.
# NumPy reads this when it is imported first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
