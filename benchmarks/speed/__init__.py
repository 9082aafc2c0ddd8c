"""The benchmark of issue 6: ours beside the floor and beside the peers, on one machine."""
