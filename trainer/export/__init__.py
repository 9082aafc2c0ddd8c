"""From trained arrays to a release: graphs, snapshot, golden requests, verification, publishing."""
