"""The only place where the parts are wired, and the only one that knows journal and tools."""

from __future__ import annotations

from remit.app.app import App, SystemClock, places

__all__ = ["App", "SystemClock", "places"]
