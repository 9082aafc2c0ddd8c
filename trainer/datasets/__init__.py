"""Where ratings come from: public data sets in their usual layouts, read into one typed table."""

from trainer.datasets.dataset import Col, DataError, Dataset
from trainer.datasets.fetch import fetch
from trainer.datasets.load import load_dataset

__all__ = ["Col", "DataError", "Dataset", "fetch", "load_dataset"]
