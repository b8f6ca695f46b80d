"""Exact changes of a file tree: how they are looked at, staged, put in place, settled after a crash, shown and taken back."""
