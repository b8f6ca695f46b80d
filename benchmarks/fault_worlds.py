"""What a family's runs leave their tokens in: a folder, and for some a real server beside it, started once and emptied for each trial."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import mcp_world
from browser_world import Shop as Site
from browser_world import shop as site
from forge_world import PULLS, Forge, forge
from http_world import Server, serving
from kinto_world import MANAGED, Kinto, kinto
from mail_world import PASSWORD, USER, Imap, Smtp, imap, smtp
from radicale_world import Radicale, radicale
from sql_world import SHOP, Postgres, Shop, Sqlite, server

Picture = Mapping[str, object]
SERVERS = ExitStack()
"""Closed at the end of a campaign."""


class World:
    """The folder alone. What others add is theirs."""

    def __init__(self, trial: Path) -> None:
        self.root = trial / "root"
        self.trial = trial

    def furnish(self) -> str:
        """Bring everything to where a run finds it; what remit.toml says."""
        return ""

    def plan(self, text: str) -> str:
        """The family's plan as it is run here."""
        return text

    def picture(self) -> Picture:
        """Every path with its kind, mode and content."""
        found: dict[str, object] = {}
        for path in sorted(self.root.rglob("*")):
            name, mode = str(path.relative_to(self.root)), path.lstat().st_mode
            if path.is_symlink():
                found[name] = ("link", 0, str(path.readlink()).encode())
            else:
                found[name] = ("folder", mode, b"") if path.is_dir() else ("file", mode, path.read_bytes())
        return found

    def count(self, file: str, text: str) -> int:
        """How often a token stands in a place of this world."""
        there = self.root / file
        return there.read_text(encoding="utf-8").count(text) if there.is_file() else 0

    def more(self) -> tuple[str, ...]:
        """What is still to be called after the run: the arguments of `remit`, none when nothing is."""
        return ()

    def happened(self, action: str, question: Mapping[str, Any]) -> bool:
        """What a person sees who looks whether an action happened."""
        outbox = self.trial / "outbox.txt"
        return outbox.exists() and f"{action} " in outbox.read_text(encoding="utf-8")

    def doubtful(self, unsettled: Iterable[str]) -> set[str]:
        """Of actions that were begun, those of which nobody can tell from the world."""
        return set(unsettled)


class Rows(World):
    """A database beside the folder."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial)
        self.shop = self.made()

    def made(self) -> Shop:
        return Sqlite(self.trial)

    def furnish(self) -> str:
        self.shop.script(SHOP)
        return f'[sql.shop]\nurl = "{self.shop.url}"\n'

    def picture(self) -> Picture:
        return {**super().picture(), "rows": self.shop.dump()}

    def count(self, file: str, text: str) -> int:
        return sum(row.count(text) for row in self.shop.dump()) if file == "rows" else super().count(file, text)


class PostgresRows(Rows):
    """The same on PostgreSQL."""

    def made(self) -> Shop:
        return Postgres(_postgres(), "faults")

    def furnish(self) -> str:
        self.shop = self.made()  # a new schema
        return super().furnish()


class Together(PostgresRows):
    """The journal is in the same database."""

    def furnish(self) -> str:
        config = super().furnish()
        self.shop.script("DROP SCHEMA IF EXISTS remit CASCADE")
        (self.trial / "journal.url").write_text(self.shop.url, encoding="utf-8")
        return f'journal = "{self.shop.url}"\n{config}'


class Web(World):
    """A service with ETags, and one that knows requests by a key."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial)
        self.theatre, self.shop = _kinto(), _orders()

    def furnish(self) -> str:
        self.theatre.empty()
        self.theatre.put("a1", who="ann")
        self.theatre.put("a2", who="cy")
        self.shop.orders.clear()
        self.shop.keys.clear()
        return (
            f'[http.theatre]\nbase = "{self.theatre.service.base}"\nprivate = true\npreconditions = true\nmanaged = {list(MANAGED)}\n'
            f'headers = {{ Authorization = "{self.theatre.headers["Authorization"]}" }}\n'
            f'[http.shop]\nbase = "{self.shop.base}"\nprivate = true\nidempotency = "Idempotency-Key"\n'
        )

    def picture(self) -> Picture:
        return {**super().picture(), "seats": self.theatre.seats(), "orders": Counter(map(str, self.shop.orders))}

    def count(self, file: str, text: str) -> int:
        places: dict[str, object] = {"seats": self.theatre.seats(), "orders": self.shop.orders}
        return str(places[file]).count(text) if file in places else super().count(file, text)


class Events(World):
    """A calendar."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial)
        self.work = _radicale()

    def furnish(self) -> str:
        self.work.reset()
        return f'[calendar.work]\nurl = "{self.work.base}"\nuser = "ann"\npassword = "x"\nzone = "Europe/Berlin"\nprivate = true\n'

    def picture(self) -> Picture:
        """Events that were made have names and times of their own."""
        found = [[line for line in body.splitlines() if not line.startswith(_OWN)] for body in self.work.look().values()]
        return {**super().picture(), "events": sorted(found)}

    def count(self, file: str, text: str) -> int:
        if file != "events":
            return super().count(file, text)
        return sum(body.count(text.encode()) for body in self.work.look().values())


_OWN = (b"UID:", b"DTSTAMP", b"LAST-MODIFIED", b"CREATED")


class Letters(World):
    """An outbox, a server that takes letters, and folders."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial)
        self.smtp, self.imap = _smtp(), _imap()

    def furnish(self) -> str:
        self.smtp.taken.clear()
        self.imap.reset()
        return (
            f'[mail.me]\naddress = "Ann <ann@example.org>"\nsmtp = "smtp://127.0.0.1:{self.smtp.port}"\nhold = 0\n'
            f'imap = "imap://{USER}:{PASSWORD}@127.0.0.1:{self.imap.port}"\n'
        )

    def picture(self) -> Picture:
        drafts = [(subject, text) for subject, text, _ in self.imap.look("Drafts")["Drafts"]]
        return {**super().picture(), "sent": self._subjects(), "drafts": sorted(drafts)}

    def count(self, file: str, text: str) -> int:
        if file == "drafts":
            return sum(text in subject for subject, *_ in self.imap.look("Drafts")["Drafts"])
        return self._subjects()[text] if file == "sent" else super().count(file, text)

    def more(self) -> tuple[str, ...]:
        waiting = [path for place in ("held", "sending") for path in self._letters(place)]
        return ("outbox", "--send") if waiting else ()

    def happened(self, action: str, question: Mapping[str, Any]) -> bool:
        return any(b"Message-ID: " + ident in content for ident in _ids(question["body"]) for _, content in self.smtp.taken)

    def doubtful(self, unsettled: Iterable[str]) -> set[str]:
        """A letter that was on the wire, and of which no copy is among the sent ones."""
        filed = str(self.imap.look("Sent"))
        sending = {path.name[:12]: json.loads(path.read_bytes().partition(b"\n\n")[0])["subject"] for path in self._letters("sending")}
        found = set()
        for action in unsettled:
            run = action.partition("/")[0].removeprefix("mail-")
            if run in sending and sending[run] not in filed:
                found.add(action)
        return found

    def _letters(self, place: str) -> list[Path]:
        folder = self.trial / "home" / "outbox" / place
        return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []

    def _subjects(self) -> Counter[str]:
        lines = [line for _, content in self.smtp.taken for line in content.splitlines() if line.startswith(b"Subject: ")]
        return Counter(line.removeprefix(b"Subject: ").decode() for line in lines)


class Forms(World):
    """A site with a form, in a real Chromium."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial)
        self.site = _site()

    def furnish(self) -> str:
        self.site.orders.clear()
        return f'[browser.site]\nbase = "{self.site.base}"\nprivate = true\n'

    def plan(self, text: str) -> str:
        return text.replace("SITE", self.site.base)

    def picture(self) -> Picture:
        return {**super().picture(), "orders": Counter(order["name"] for order in self.site.orders)}

    def count(self, file: str, text: str) -> int:
        return [order["name"] for order in self.site.orders].count(text) if file == "orders" else super().count(file, text)

    def happened(self, action: str, question: Mapping[str, Any]) -> bool:
        return self.count("orders", f"tok-{_step(action)}") > 0

    def doubtful(self, unsettled: Iterable[str]) -> set[str]:
        """Of which a mark says that they may have gone."""
        sent = self.trial / "home" / "browser" / "sent"
        return {action for action in unsettled if (sent / hashlib.sha256(action.encode()).hexdigest()[:32]).exists()}


class Notes(World):
    """An MCP server, a process that every call starts, which writes into a file."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial)
        self.notes = mcp_world.World(trial)

    def furnish(self) -> str:
        self.notes.notes.unlink(missing_ok=True)
        server = self.notes.server()
        return f'[mcp.notes]\ncommand = {json.dumps(server.command)}\nenv = {{ NOTES = "{self.notes.notes}" }}\n'

    def picture(self) -> Picture:
        return {**super().picture(), "notes": Counter(self.notes.written().split())}

    def count(self, file: str, text: str) -> int:
        return self.notes.written().splitlines().count(text) if file == "notes" else super().count(file, text)

    def happened(self, action: str, question: Mapping[str, Any]) -> bool:
        return self.count("notes", f"tok-{_step(action)}") > 0


class Commits(World):
    """A repository inside the folder, and a bare one that it is pushed to."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial)
        self.forge = _forge()

    def furnish(self) -> str:
        self.forge.pulls.clear()
        repo = self.root / "repo"
        repo.mkdir()
        for args in (
            ("init", "--quiet", "--bare", "../remote.git"),
            ("init", "--quiet"),
            ("config", "user.name", "Ann"),
            ("config", "user.email", "ann@example.org"),
            ("remote", "add", "origin", "../remote.git"),
            ("commit", "--quiet", "--allow-empty", "-m", "first"),
            ("push", "--quiet", "origin", "main"),
        ):
            self._git(*args)
        for name in ("one", "two"):
            (repo / name).write_text(f"tok-{name}\n", encoding="utf-8")
        return f'[http.forge]\nbase = "{self.forge.base}"\nprivate = true\npulls = "{PULLS}"\n'

    def picture(self) -> Picture:
        """What is committed where; commits have times of their own."""
        here = {name: self._git("log", "--format=%s", "--name-only", name) for name in self._git("branch", "--format=%(refname)").split()}
        there = self._git("--git-dir", "../remote.git", "log", "--all", "--format=%s")
        aside = sorted(path.name for path in (self.root / "aside").rglob("*"))
        pulls = [(one["title"], one["state"]) for one in self.forge.pulls]
        return {
            "pulls": [one for one in pulls if one[1] == "open"],
            "here": here,
            "there": there,
            "status": self._git("status", "--porcelain"),
            "aside": aside,
        }

    def count(self, file: str, text: str) -> int:
        if file == "branches":
            return self._git("branch", "--format=%(refname:short)").split().count(text)
        if file == "pulls":
            return [one["title"] for one in self.forge.pulls].count(text)
        bare = ("--git-dir", "../remote.git") if file == "pushed" else ()
        return self._git(*bare, "log", "--all", "--format=%s").splitlines().count(text)

    def _git(self, *args: str) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        argv = ["git", "-c", "init.defaultBranch=main", *args]
        return subprocess.run(argv, cwd=self.root / "repo", env=env, capture_output=True, text=True, check=True).stdout


def _step(action: str) -> str:
    return action.rpartition("/")[2].partition(".")[0]


def _ids(body: str) -> list[bytes]:
    return [word.encode() for word in body.split() if word.startswith("<remit.")]


def _folder(name: str) -> Path:
    from tempfile import TemporaryDirectory

    return Path(SERVERS.enter_context(TemporaryDirectory(prefix=f"remit-{name}-")))


@cache
def _postgres() -> str:
    return SERVERS.enter_context(server(_folder("pg") / "data"))


@cache
def _kinto() -> Kinto:
    return SERVERS.enter_context(kinto())


@cache
def _orders() -> Server:
    return SERVERS.enter_context(serving())


@cache
def _forge() -> Forge:
    return SERVERS.enter_context(forge())


@cache
def _site() -> Site:
    return SERVERS.enter_context(site())


@cache
def _radicale() -> Radicale:
    return SERVERS.enter_context(radicale(_folder("radicale")))


@cache
def _smtp() -> Smtp:
    return SERVERS.enter_context(smtp())


@cache
def _imap() -> Imap:
    return SERVERS.enter_context(imap())
