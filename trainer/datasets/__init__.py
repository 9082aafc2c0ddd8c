"""Where ratings come from: public data sets and the user's own, read into one typed table."""

from trainer.datasets.catalogue import DATASETS
from trainer.datasets.dataset import Col, DataError, Dataset
from trainer.datasets.events import with_events
from trainer.datasets.fetch import fetch
from trainer.datasets.load import load_dataset
from trainer.datasets.mapped import load_mapped

__all__ = [
    "DATASETS",
    "Col",
    "DataError",
    "Dataset",
    "fetch",
    "load_dataset",
    "load_mapped",
    "with_events",
]
