"""Runs, plans and legs: a run waits as rows, not as memory."""
