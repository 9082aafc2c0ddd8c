"""The ways in which published files are laid out, found by the files and not by a name."""

from trainer.datasets.layouts.atomic import RECBOLE
from trainer.datasets.layouts.comma import COMMA
from trainer.datasets.layouts.dat import DAT
from trainer.datasets.layouts.layout import Layout, RawFile, RawTables
from trainer.datasets.layouts.u_data import U_DATA

LAYOUTS = (U_DATA, RECBOLE, DAT, COMMA)

__all__ = ["COMMA", "DAT", "LAYOUTS", "RECBOLE", "U_DATA", "Layout", "RawFile", "RawTables"]
