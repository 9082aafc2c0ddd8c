"""The demonstration: one user's movies in a terminal, from a running or an embedded stack."""
