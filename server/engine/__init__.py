"""The models of a release in this process: its arrays, NumPy, exact search."""
