"""Other people's libraries, really installed (`pip install .[peers]`), on the same rows."""
