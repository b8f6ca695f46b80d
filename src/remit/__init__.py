"""remit: hand work to AI and walk away. Importing it brings in no third-party module."""

__version__ = "0.1.0"
