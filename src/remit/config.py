"""What the person configured: `remit.toml` beside their policy. A project has no such file, as it could name anything.

    tools = ["/home/ann/my_tools.py"]            # Python files whose tools agents may use; see docs/tools.md

    [sql.books]                                  # a database, by the name that agents use
    url = "sqlite:////home/ann/books.db"         # or "postgresql+psycopg://ann:${BOOKS_PASSWORD}@db.example/books"

    [http.shop]                                  # a service, by the name that agents use
    base = "https://api.example/v1"
    headers = { Authorization = "Bearer ${SHOP_TOKEN}" }
    idempotency = "Idempotency-Key"              # the header by which it knows a request again
    private = false                              # true for one that is not on the public internet
    preconditions = false                        # true for one that gives strong ETags and honours If-Match
    managed = ["data.last_modified"]             # fields of its resources that it writes itself
    pulls = "repos/ann/notes/pulls"              # for a forge: where the pull requests of a repository are
    openapi = "/home/ann/shop.yaml"              # its description: each operation becomes a tool, http.shop.NAME
    effects = { cancelOrder = "compensable" }    # what you know of single operations
    undo.createOrder = { operation = "cancelOrder", args = { id = "${result.json.id}" } }

    [budget]                                     # what each run may use up, unless it is told otherwise
    money = 2.5                                  # US dollars; also tokens, steps, minutes, and asks (questions an hour, by all runs)

    [price."some-model"]                         # US dollars for a million tokens, where they are not publicly known
    input = 0.5
    output = 1.5

    [notify]                                     # how people are told that a question waits, while `remit serve` runs
    addresses = ["mailto://${MAIL_USER}:${MAIL_PASSWORD}@mail.example?to=ann@example.org"]   # of Apprise
    quiet = "22:00-07:00"                        # in which nothing is told
    zone = "Europe/Berlin"
    digest = "0 9,16 * * *"                      # when what can be undone is told of; without it at once
    link = "https://remit.example/"              # where to look

    [trigger.orders]                             # a signed event begins a run; `remit serve` listens at /hooks/orders
    secret = "${ORDERS_SECRET}"                  # whsec_…, as Standard Webhooks have it; or cron = "0 9 * * MON" with zone and missed
    plan = "/home/ann/order.toml"                # or goal = "…", with model and level; draft = true only proposes
    root = "/home/ann/orders"                    # the folder it works in

    [calendar.work]                              # a CalDAV calendar, by the name that agents use
    url = "https://dav.example/ann/work/"
    user = "ann"
    password = "${DAV_PASSWORD}"
    zone = "Europe/Berlin"                       # of times that name none
    address = "ann@example.org"                  # who invites, for events with others
    private = false

    [mail.me]                                    # a mail account, by the name that agents use
    address = "Ann <ann@example.org>"
    smtp = "smtps://ann:${MAIL_PASSWORD}@mail.example"   # or smtp+starttls://
    imap = "imaps://ann:${MAIL_PASSWORD}@mail.example"
    hold = 300                                   # seconds in which a mail that is to be sent can still be called back
    sent = "Sent"
    drafts = "Drafts"
    keeps_sent = false                           # true for a server that files what it sends by itself

    [mcp.notes]                                  # an MCP server, whose tools become mcp.notes.NAME
    command = ["notes-server", "--stdio"]        # or url = "https://notes.example/mcp"
    env = { NOTES_TOKEN = "${NOTES_TOKEN}" }     # for a command; it gets no other secrets
    headers = { Authorization = "Bearer ${T}" }  # for a url
    trusted = false                              # true for one whose word about its tools you take
    effects = { look = "pure" }                  # what you know of single tools
    seconds = 120                                # how long a call may take

    [browser.shop]                               # lets agents use a browser; what you know of a site
    base = "https://shop.example/"
    private = false                              # true for one that is not on the public internet
    submits = { "/search" = "pure" }             # what sending from pages leaves, by how their paths begin

`${NAME}` stands for a variable of the environment, so that the file holds no password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from remit.domain.budget import Budget, read_budget
from remit.errors import BadInput

_T = TypeVar("_T")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_DEAREST: Final = 1_000_000
_LONGEST: Final = 7 * 86400
"""Seconds that anything may be set to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One `[http.NAME]`."""

    base: str
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotency: str = ""
    private: bool = False
    preconditions: bool = False
    managed: tuple[str, ...] = ()
    pulls: str = ""
    openapi: Path | None = None
    effects: Mapping[str, str] = field(default_factory=dict)
    undo: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By operation: the one that takes it back, and its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One `[calendar.NAME]`."""

    url: str
    user: str = ""
    password: str = ""
    zone: str = ""
    address: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One `[mail.NAME]`."""

    address: str
    smtp: str
    imap: str = ""
    hold: int = 300
    """Seconds."""
    sent: str = "Sent"
    drafts: str = "Drafts"
    keeps_sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """One `[mcp.NAME]`: a command or a url."""

    command: tuple[str, ...] = ()
    url: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    trusted: bool = False
    effects: Mapping[str, str] = field(default_factory=dict)
    seconds: int = 120
    """That a call may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One `[browser.NAME]`."""

    base: str
    private: bool = False
    submits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One `[trigger.NAME]`: what begins by itself, on a signed event or at times."""

    secret: str = ""
    cron: str = ""
    zone: str = "UTC"
    missed: str = "once"
    """What becomes of times at which nothing ran: `once` for all of them, `all`, or `skip`."""
    goal: str = ""
    plan: Path | None = None
    level: str = ""
    model: str = ""
    root: Path
    draft: bool = False
    """It only proposes: whatever it would do waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """`[notify]`: how people are told that a question waits."""

    addresses: tuple[str, ...] = ()
    """Of Apprise."""
    quiet: str = ""
    zone: str = "UTC"
    digest: str = ""
    """When what can be undone is told of, as cron has it; without, at once."""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that `remit.toml` may say."""

    databases: Mapping[str, str] = field(default_factory=dict)
    """URLs by name."""
    services: Mapping[str, Service] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    mail: Mapping[str, Mail] = field(default_factory=dict)
    servers: Mapping[str, McpServer] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)
    journal: str = ""
    """The URL of the PostgreSQL database that the journal is in; without one it is a file among remit's own state."""
    tools: tuple[Path, ...] = ()
    """Python files of the person's own tools."""
    budget: Budget = field(default_factory=Budget)
    """What each run may use up, unless it is told otherwise."""
    prices: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """By a model's name: US dollars for a million tokens in, and out."""
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    notify: Notify = field(default_factory=Notify)
    secrets: tuple[str, ...] = ()
    """What stands in it from the environment, and its passwords: values that belong nowhere else."""


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Read it; no file is an empty one. Raises BadInput, naming the file and the key."""
    import tomllib  # noqa: PLC0415 - who only answers a question has no use for it

    try:
        text = path.read_text(encoding="utf-8")
        top = tomllib.loads(text)
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} cannot be read: {error}", fix="mend or remove it") from None
    _only(top, {"browser", "budget", "calendar", "http", "journal", "mail", "mcp", "notify", "price", "sql", "tools", "trigger"}, str(path))
    tools = top.get("tools", [])
    if not isinstance(tools, list) or not all(isinstance(one, str) and one.startswith(("/", "~")) for one in tools):
        raise BadInput(f"{path}: tools is no list of absolute paths", fix='write tools = ["/home/ann/my_tools.py"]')
    calendars = {name: _calendar(body, where, env) for name, body, where in _tables(top, "calendar", path)}
    return Config(
        databases={name: _database(body, where, env) for name, body, where in _tables(top, "sql", path)},
        services={name: _service(body, where, env) for name, body, where in _tables(top, "http", path)},
        calendars=calendars,
        mail={name: _mail(body, where, env) for name, body, where in _tables(top, "mail", path)},
        servers={name: _server(body, where, env) for name, body, where in _tables(top, "mcp", path)},
        sites={name: _site(body, where, env) for name, body, where in _tables(top, "browser", path)},
        budget=_budget(_table(top.get("budget", {}), f"{path}: budget"), f"{path}: budget"),
        prices={name: _price(body, where) for name, body, where in _tables(top, "price", path)},
        notify=_notify(_table(top.get("notify", {}), f"{path}: notify"), f"{path}: notify", env),
        triggers={name: _trigger(body, where, env) for name, body, where in _tables(top, "trigger", path)},
        journal=_filled(top["journal"], "journal", env) if "journal" in top else "",
        tools=tuple(Path(one).expanduser() for one in tools),
        secrets=(*(env[name] for name in _VARIABLE.findall(text) if name in env), *(one.password for one in calendars.values())),
    )


def _tables(top: Mapping[str, Any], kind: str, path: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every `[KIND.NAME]`: its name, what it says, and where that stands."""
    for name, body in _table(top.get(kind, {}), f"{path}: {kind}").items():
        where = f"{path}: {kind}.{name}"
        yield name, _table(body, where), where


def _database(body: dict[str, Any], where: str, env: Mapping[str, str]) -> str:
    _only(body, {"url"}, where)
    return _filled(body.get("url"), f"{where}.url", env)


def _budget(body: dict[str, Any], where: str) -> Budget:
    try:
        return read_budget(",".join(f"{name}={value}" for name, value in body.items())) if body else Budget()
    except BadInput as error:
        raise BadInput(f"{where}: {error.message}", fix=error.fix) from None


def _price(body: dict[str, Any], where: str) -> tuple[Decimal, Decimal]:
    _only(body, {"input", "output"}, where)
    found = [body.get("input"), body.get("output")]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one < _DEAREST for one in found):
        raise BadInput(f"{where}: input and output are US dollars for a million tokens", fix="write input = 0.5 and output = 1.5")
    return Decimal(str(found[0])), Decimal(str(found[1]))


def _calendar(body: dict[str, Any], where: str, env: Mapping[str, str]) -> Calendar:
    _only(body, {"url", "user", "password", "zone", "address", "private"}, where)
    texts = {name: _filled(body[name], f"{where}.{name}", env) for name in ("user", "password", "zone", "address") if name in body}
    private = _is(body.get("private", False), bool, f"{where}.private", "true or false")
    return Calendar(url=_filled(body.get("url"), f"{where}.url", env), private=private, **texts)


def _mail(body: dict[str, Any], where: str, env: Mapping[str, str]) -> Mail:
    _only(body, {"address", "smtp", "imap", "hold", "sent", "drafts", "keeps_sent"}, where)
    texts = {name: _filled(body[name], f"{where}.{name}", env) for name in ("imap", "sent", "drafts") if name in body}
    return Mail(
        address=_filled(body.get("address"), f"{where}.address", env),
        smtp=_filled(body.get("smtp"), f"{where}.smtp", env),
        hold=_seconds(body.get("hold", 300), f"{where}.hold", 0),
        keeps_sent=_is(body.get("keeps_sent", False), bool, f"{where}.keeps_sent", "true or false"),
        **texts,
    )


def _server(body: dict[str, Any], where: str, env: Mapping[str, str]) -> McpServer:
    _only(body, {"command", "url", "env", "headers", "trusted", "effects", "seconds"}, where)
    command = _texts(body.get("command", []), f"{where}.command")
    if bool(command) == bool(body.get("url")):
        raise BadInput(
            f"{where} needs a command or a url, and not both", fix='write command = ["program", "argument"], or url = "https://…"'
        )
    filled = {key: _filled_table(body, key, where, env) for key in ("env", "headers", "effects")}
    url = _filled(body["url"], f"{where}.url", env) if "url" in body else ""
    trusted = _is(body.get("trusted", False), bool, f"{where}.trusted", "true or false")
    seconds = _seconds(body.get("seconds", 120), f"{where}.seconds", 1)
    return McpServer(command=command, url=url, trusted=trusted, seconds=seconds, **filled)


def _site(body: dict[str, Any], where: str, env: Mapping[str, str]) -> Site:
    _only(body, {"base", "private", "submits"}, where)
    private = _is(body.get("private", False), bool, f"{where}.private", "true or false")
    return Site(base=_filled(body.get("base"), f"{where}.base", env), private=private, submits=_filled_table(body, "submits", where, env))


def _service(body: dict[str, Any], where: str, env: Mapping[str, str]) -> Service:
    _only(body, {"base", "headers", "idempotency", "private", "preconditions", "managed", "openapi", "effects", "undo", "pulls"}, where)
    openapi = _is(body.get("openapi", ""), str, f"{where}.openapi", "an absolute path")
    if openapi and not openapi.startswith(("/", "~")):
        raise BadInput(f"{where}.openapi is no absolute path", fix='write openapi = "/home/ann/shop.yaml"')
    headers = _filled_table(body, "headers", where, env)
    return Service(
        base=_filled(body.get("base"), f"{where}.base", env),
        headers=headers,
        idempotency=_is(body.get("idempotency", ""), str, f"{where}.idempotency", "the name of a header, in quotes"),
        private=_is(body.get("private", False), bool, f"{where}.private", "true or false"),
        preconditions=_is(body.get("preconditions", False), bool, f"{where}.preconditions", "true or false"),
        managed=_texts(body.get("managed", []), f"{where}.managed"),
        pulls=_is(body.get("pulls", ""), str, f"{where}.pulls", "a path, in quotes"),
        openapi=Path(openapi).expanduser() if openapi else None,
        effects=_filled_table(body, "effects", where, env),
        undo={name: _undo(one, f"{where}.undo.{name}") for name, one in _table(body.get("undo", {}), f"{where}.undo").items()},
    )


def _undo(value: Any, where: str) -> tuple[str, Mapping[str, Any]]:
    body = _table(value, where)
    _only(body, {"operation", "args"}, where)
    return _is(body.get("operation"), str, f"{where}.operation", "the name of an operation"), _table(body.get("args", {}), f"{where}.args")


def _notify(body: dict[str, Any], where: str, env: Mapping[str, str]) -> Notify:
    words = ("quiet", "zone", "digest", "link")
    _only(body, {*words, "addresses"}, where)
    texts = {name: _filled(body[name], f"{where}.{name}", env) for name in words if name in body}
    addresses = tuple(_filled(one, f"{where}.addresses", env) for one in _texts(body.get("addresses", []), f"{where}.addresses"))
    return Notify(addresses=addresses, **texts)


def _trigger(body: dict[str, Any], where: str, env: Mapping[str, str]) -> Trigger:
    words = ("secret", "cron", "zone", "missed", "goal", "level", "model")
    _only(body, {*words, "plan", "root", "draft"}, where)
    texts = {name: _filled(body[name], f"{where}.{name}", env) for name in words if name in body}
    for one, other, what in (("secret", "cron", "when it begins"), ("goal", "plan", "what is done")):
        if (one in body) == (other in body):
            raise BadInput(f"{where} needs {one} or {other}, and not both", fix=f"they say {what}")
    if texts.get("missed", "once") not in {"once", "all", "skip"}:
        raise BadInput(f"{where}.missed is {texts['missed']!r}", fix="say once, all or skip")
    plan = _path(body["plan"], f"{where}.plan") if "plan" in body else None
    draft = _is(body.get("draft", False), bool, f"{where}.draft", "true or false")
    return Trigger(
        root=_path(body.get("root"), f"{where}.root"),
        plan=plan,
        draft=draft,
        secret=texts.get("secret", ""),
        cron=texts.get("cron", ""),
        zone=texts.get("zone", "UTC"),
        missed=texts.get("missed", "once"),
        goal=texts.get("goal", ""),
        level=texts.get("level", ""),
        model=texts.get("model", ""),
    )


def _path(value: Any, where: str) -> Path:
    text = _is(value, str, where, "an absolute path")
    if not text.startswith(("/", "~")):
        raise BadInput(f"{where} is no absolute path", fix="write it as /home/ann/…")
    return Path(text).expanduser()


def _is(value: Any, kind: type[_T], where: str, what: str) -> _T:
    if not isinstance(value, kind):
        raise BadInput(f"{where} is {what}", fix="write it so, or leave it out")
    return value


def _seconds(value: Any, where: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LONGEST:
        raise BadInput(f"{where} is a number of seconds from {least} to {_LONGEST}", fix="write it so, or leave it out")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"{where} is a list of texts", fix="write it so, or leave it out")
    return tuple(value)


def _filled_table(body: dict[str, Any], key: str, where: str, env: Mapping[str, str]) -> dict[str, str]:
    place = f"{where}.{key}"
    return {name: _filled(one, f"{place}.{name}", env) for name, one in _table(body.get(key, {}), place).items()}


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{where} is not a table", fix="write it as [sql.NAME] or [mail.NAME], with keys of its own")
    return value


def _only(body: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in body:
        if name not in known:
            raise BadInput(f"{where}: {name!r} is not known here", fix=f"known are {', '.join(sorted(known))}")


def _filled(value: Any, where: str, env: Mapping[str, str]) -> str:
    if not isinstance(value, str) or not value:
        raise BadInput(f"{where} is missing or not a text", fix="write it in quotes")
    missing = [name for name in _VARIABLE.findall(value) if name not in env]
    if missing:
        raise BadInput(f"{where}: there is no variable {missing[0]}", fix=f"set {missing[0]} in the environment")

    def put(found: re.Match[str]) -> str:
        password = value[found.start() - 1 : found.start()] == ":" and value[found.end() : found.end() + 1] == "@"
        return quote(env[found[1]], safe="") if password else env[found[1]]  # else an @ in it would make a host of its end

    return _VARIABLE.sub(put, value)
