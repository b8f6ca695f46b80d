"""Calendars: events as resources of a CalDAV server, read with their recurrence, changed only as they were seen, put back byte for byte."""
