"""The nouns of remit: frozen, without I/O, clock or dice."""
