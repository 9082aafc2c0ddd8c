"""What a data set looks like before anything is learnt from it."""

from trainer.describe.description import Description, describe
from trainer.describe.page import write_html
from trainer.describe.terminal import show_terminal

__all__ = ["Description", "describe", "show_terminal", "write_html"]
