"""Which tools there are: the shipped ones, those of the person's configuration, and the person's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from remit.app.policies import policy_files, settings
from remit.config import Config
from remit.errors import Unavailable
from remit.places import Places
from remit.ports import Clock, Store, Tool
from remit.tools.changes.roots import Roots
from remit.tools.files.tools import file_tools
from remit.tools.git.tools import git_tools
from remit.tools.http.tools import http_tools
from remit.tools.memory.remember import Keeping
from remit.tools.memory.tools import memory_tools
from remit.tools.shell.run import shell_tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    """The tools, and a sentence for each MCP server or tool of one that cannot be used."""

    tools: tuple[Tool, ...]
    trouble: tuple[str, ...]


def load_tools(where: Places, config: Config, store: Store, clock: Clock, keeping: Keeping) -> Toolset:
    """All of them, confined to the allowed roots. The library of a family loads only where something of its kind is configured.

    Raises BadInput for what cannot be loaded, Unavailable where a library is missing.
    """
    families = _Families(where, config, store, clock)
    memory = memory_tools(keeping, tuple(map(str, where.roots)))
    optional: list[tuple[object, str, Callable[[], list[Tool]]]] = [
        (config.databases, "sql", families.sql),
        (config.calendars, "calendar", families.calendar),
        (config.mail, "mail", families.mail),
        (config.sites, "browser", families.browser),
        (config.servers, "mcp", families.mcp),
    ]
    found = [*families.shipped(), *memory]
    for configured, extra, load in optional:
        try:
            found += load() if configured else []
        except ImportError as error:
            raise Unavailable(f"the library {error.name} is missing", fix=f"pip install 'remit[{extra}]'") from None
    return Toolset(tools=(*found, *families.own()), trouble=tuple(families.trouble))


class _Families:
    """The tools of each family."""

    def __init__(self, where: Places, config: Config, store: Store, clock: Clock) -> None:
        self._where, self._config, self._store, self._clock = where, config, store, clock
        self._roots = Roots(where.roots, (where.state, *_closed(where, config)))
        self.trouble: list[str] = []

    def shipped(self) -> list[Tool]:
        """Those that need no configuration."""
        scratch = self._where.state / "scratch"
        files = [*file_tools(self._roots, self._store), *shell_tools(self._roots, self._store, scratch)]
        return [*files, *git_tools(self._roots, self._store, self._clock, scratch), *http_tools(self._config.services, self._store)]

    def sql(self) -> list[Tool]:
        from remit.tools.sql.tools import sql_tools

        return sql_tools(self._config.databases, self._store, journal=self._config.journal)

    def calendar(self) -> list[Tool]:
        from remit.tools.calendar.tools import calendar_tools

        return calendar_tools(self._config.calendars, self._store, self._clock)

    def mail(self) -> list[Tool]:
        from remit.tools.mail.tools import mail_tools

        outbox = self._where.state / "outbox"
        return mail_tools(self._config.mail, roots=self._roots, store=self._store, clock=self._clock, outbox=outbox)

    def browser(self) -> list[Tool]:
        from remit.tools.browser.tools import browser_tools

        return browser_tools(self._config.sites, roots=self._roots, store=self._store, folder=self._where.state / "browser")

    def mcp(self) -> list[Tool]:
        from remit.tools.mcp.tools import mcp_tools

        found, trouble = mcp_tools(self._config.servers, self._where.state / "mcp")
        self.trouble += trouble
        return found

    def own(self) -> list[Tool]:
        """Those in files that the person wrote."""
        if not self._config.tools:
            return []
        from remit.tools.loading import tools_in

        return [tool for path in self._config.tools for tool in tools_in(path)]


def _closed(where: Places, config: Config) -> list[Path]:
    """A run must not write the policy that judges it, so where policies and configuration are is as closed to tools as our own state."""
    files = [path for _, path in policy_files(where.roots)]
    documents = [one.openapi for one in config.services.values() if one.openapi is not None]
    return [*(path.parent for path in files), *files, settings() / "remit.toml", *config.tools, *documents]
