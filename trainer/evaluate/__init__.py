"""The honest comparison: one run, one split, baselines, peers and our own models side by side."""
