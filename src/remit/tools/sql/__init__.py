"""Databases: queries proven to read only, and writes whose every row is known, shown and stored before it becomes real."""
