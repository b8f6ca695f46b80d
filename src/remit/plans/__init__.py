"""Plans as data: reading them, what their references stand for, and whether a step did what it should."""
