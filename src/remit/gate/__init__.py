"""Every action passes here: judge, ask, write ahead, act, verify, record."""
