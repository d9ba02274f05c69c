"""Files to a searchable index in a process of its own: ours and a peer's, started by `rows/peer.py`."""
