"""Models by name, see `registry`; each module's docstring names its source and defaults."""
