"""The tools for the browser that a configuration brings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from remit.config import Site as Configured
from remit.errors import Unavailable
from remit.ports import Store, Tool
from remit.tools.browser.download import BrowserDownload
from remit.tools.browser.open import BrowserOpen
from remit.tools.browser.sites import Room, known, program
from remit.tools.browser.submit import BrowserSubmit
from remit.tools.changes.roots import Roots


def browser_tools(sites: Mapping[str, Configured], *, roots: Roots, store: Store, folder: Path) -> list[Tool]:
    """Raises BadInput for a strange site, Unavailable where Playwright or Chromium is missing."""
    if find_spec("playwright") is None:
        raise Unavailable("a library for the browser is missing: playwright", fix="pip install 'remit[browser]'")
    chromium = program()
    if chromium is None:
        raise Unavailable("there is no Chromium on this machine", fix="install it: sudo apt-get install chromium")
    room = Room(program=chromium, sites=known(sites), folder=folder)
    return [BrowserOpen(room), BrowserSubmit(room), BrowserDownload(room, roots, store)]
