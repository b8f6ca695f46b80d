"""The sites that the person named in the configuration, and the room in which visits are made."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.config import Site as Configured
from remit.domain.action import Effect
from remit.errors import BadInput
from remit.tools.browser.held import Gatekeeper
from remit.tools.browser.profile import Profile, written
from remit.tools.http.addresses import read_url

if TYPE_CHECKING:
    from remit.tools.browser.page import Visit

SECONDS: Final = 90
"""How long a visit may take in all."""
_PROGRAMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_WORDS: Final = (Effect.PURE, Effect.COMPENSABLE, Effect.IRREVERSIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the person knows of it."""

    origin: str
    private: bool
    submits: Mapping[str, Effect]
    """By the beginning of a page's path: what sending from there leaves."""

    def effect(self, path: str) -> Effect:
        """Of what is sent from a page; what nobody knows is irreversible."""
        fitting = [start for start in self.submits if path.startswith(start)]
        return self.submits[max(fitting, key=len)] if fitting else Effect.IRREVERSIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The browser, the sites, and where its profile, pictures and marks are."""

    program: str
    sites: Mapping[str, Site]
    folder: Path

    def gate(self) -> Gatekeeper:
        """For one visit."""
        inside = {site.origin for site in self.sites.values() if site.private}
        return Gatekeeper(private=inside.__contains__)

    def visit(self, gate: Gatekeeper | None = None) -> AbstractAsyncContextManager[Visit]:
        """See `chromium.visit`."""
        from remit.tools.browser.chromium import visit  # noqa: PLC0415 - a large library; only visits pay for it

        return visit(self.program, Profile(path=self.folder / "profile.json"), gate or self.gate(), seconds=SECONDS)

    def site(self, url: str) -> Site | None:
        """The named site of a page."""
        origin = read_url(url).origin
        return next((site for site in self.sites.values() if site.origin == origin), None)

    def picture(self, action: str, when: str, data: bytes) -> str:
        """Keep a picture for people; where it is."""
        path = self.folder / "pictures" / f"{action.replace('/', '-')}-{when}.png"
        written(path, data)
        return str(path)

    def mark(self, action: str) -> Path:
        """The file that says that an action may have sent something."""
        return self.folder / "sent" / hashlib.sha256(action.encode()).hexdigest()[:32]


def known(sites: Mapping[str, Configured]) -> dict[str, Site]:
    """Raises BadInput for a strange base or word."""
    found = {}
    for name, one in sites.items():
        for word in one.submits.values():
            if word not in set(map(str, _WORDS)):
                raise BadInput(f"browser.{name}: {word!r} is no effect", fix=f"say one of {', '.join(map(str, _WORDS))}")
        submits = {path: Effect(word) for path, word in one.submits.items()}
        found[name] = Site(origin=read_url(one.base).origin, private=one.private, submits=submits)
    return found


def program() -> str | None:
    """The Chromium of this machine, None where there is none."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)
