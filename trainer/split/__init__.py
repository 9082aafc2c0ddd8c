"""Which ratings are learnt from, chosen on and tested on; the leakage rule lives here.

The rule: models are fitted on `train`, choices are made on `validation`, and nothing but the
final evaluation ever sees a row of `test`. A served user's history is `history`, never more.
"""

from trainer.split.file import split_file
from trainer.split.parts import PARTS, Asking, Split
from trainer.split.registry import SPLITS, make_split, split_named
from trainer.split.temporal import MIN_ROWS_TO_HOLD_OUT, per_user_temporal

__all__ = [
    "MIN_ROWS_TO_HOLD_OUT",
    "PARTS",
    "SPLITS",
    "Asking",
    "Split",
    "make_split",
    "per_user_temporal",
    "split_file",
    "split_named",
]
