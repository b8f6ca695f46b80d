"""Mail on real servers: held and called back, gone once, to all or to none, and what nobody knows is asked."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tool_calls
from claims import proves
from mail_world import PASSWORD, USER, Imap, MailWorld, Smtp, dropping, imap, rubbish, smtp
from remit.domain.action import Effect
from remit.domain.held import release_run
from remit.domain.values import ActionId, JsonValue
from remit.errors import ArgsInvalid, BadInput, Conflict, OutsideRoots, RemitError, ToolFailed, ToolUncertain, Unavailable
from remit.ports import Call, Happened, Tool
from remit.testing import Scenario, check_tool
from remit.tools.mail.accounts import known, plain
from remit.tools.mail.outbox import Where
from remit.tools.mail.send import MailRelease


@pytest.fixture(scope="module")
def folders() -> Iterator[Imap]:
    with imap() as made:
        yield made


@pytest.fixture
def server() -> Iterator[Smtp]:
    with smtp() as made:
        yield made


@pytest.fixture
def world(folders: Imap, server: Smtp, tmp_path: Path) -> MailWorld:
    folders.reset()
    return MailWorld(tmp_path, server, folders)


def begun(tool: Tool, args: Mapping[str, JsonValue], name: str = "r/a") -> Call:
    """Letters are let go by the run that is named after them."""
    return tool_calls.begun(tool, args, f"{release_run(str(args['id']))}/release.1" if tool.spec.name == "mail.release" else name)


def done(tool: Tool, args: Mapping[str, JsonValue], name: str = "r/a") -> tuple[Call, Any]:
    call = begun(tool, args, name)
    return call, asyncio.run(tool.run(call))


def held(world: MailWorld, known_tools: dict[str, Tool], **more: JsonValue) -> dict[str, JsonValue]:
    """Hold a letter; the arguments that let it go."""
    _, result = done(known_tools["mail.send"], world.letter(**more))
    return {"account": "me", "id": result["held"]}


@proves("tools.checked")
def test_sending_keeps_its_promises(world: MailWorld) -> None:
    """Looking has no effect, undo calls back, one that has gone is a conflict, and every kill is settled without a person."""
    tools = world.tools()

    def reset() -> None:
        for place, letter in list(world.outbox.all(*Where)):
            world.outbox.move(letter.id, place, Where.CANCELLED)
            (world.folder / "outbox" / "cancelled" / letter.id).unlink()

    def look() -> list[object]:
        return [(place, letter.recipients, letter.subject) for place, letter in world.outbox.all(Where.HELD, Where.SENDING, Where.SENT)]

    def meddle() -> Callable[[], bool]:
        _, letter = next(iter(world.outbox.all(Where.HELD)))
        world.outbox.move(letter.id, Where.HELD, Where.SENT)
        return lambda: world.outbox.where(letter.id) is Where.SENT

    assert check_tool(Scenario(tools=tools, tool="mail.send", args=world.letter(), reset=reset, look=look, meddle=meddle)) == []


@proves("tools.checked")
def test_drafting_keeps_its_promises(world: MailWorld) -> None:
    """The same for a letter among the drafts."""

    def meddle() -> Callable[[], bool]:
        world.imap.reset()
        world.imap.add("Drafts", b"Subject: Theirs\r\n\r\nanother\r\n")
        return lambda: world.imap.look("Drafts")["Drafts"][0][0] == "Theirs"

    scenario = Scenario(
        tools=world.tools(), tool="mail.draft", args=world.letter(), reset=world.imap.reset, look=world.imap.look, meddle=meddle
    )
    assert check_tool(scenario) == []


@proves("tools.checked")
def test_letting_go_keeps_its_promises(world: MailWorld) -> None:
    """Killed before its text went it is sent again, killed after that the copy among the sent letters tells, or nobody does."""

    class Anybodys(MailRelease):
        """The check has runs of its own."""

        def _check_whose(self, call: Call) -> None:
            pass

    tools = world.tools()
    args = held(world, tools)
    ident = str(args["id"])
    release = tools["mail.release"]
    assert isinstance(release, MailRelease)
    tools["mail.release"] = Anybodys(release._room, release._outbox)

    def reset() -> None:
        for place in (Where.SENDING, Where.SENT):
            world.outbox.move(ident, place, Where.HELD)
        world.imap.reset()
        world.smtp.taken.clear()

    found = check_tool(Scenario(tools=tools, tool="mail.release", args=args, reset=reset, look=lambda: len(world.smtp.taken)))
    assert found == []


@proves("mail.hold")
def test_a_held_letter_is_called_back_and_never_goes(world: MailWorld) -> None:
    """Nothing of it has left: calling back is exact, and letting it go afterwards does nothing."""
    tools = world.tools()
    call, result = done(tools["mail.send"], world.letter())
    assert world.smtp.taken == []
    how = tools["mail.send"].undo(call, result)
    assert how is not None
    _, told = done(tools[how.tool], how.args, "r/u")
    assert told == {"cancelled": result["held"]}
    with pytest.raises(ToolFailed, match="called back"):
        begun(tools["mail.release"], {"account": "me", "id": result["held"]})
    assert world.smtp.taken == []


@proves("mail.hold")
def test_a_letter_called_back_in_the_last_moment_is_not_sent(world: MailWorld) -> None:
    """Of calling back and letting go only one can be: the letter is moved, and only one can move it."""
    tools = world.tools()
    args = held(world, tools)
    call = begun(tools["mail.release"], args)
    done(tools["mail.cancel"], args, "r/u")
    with pytest.raises(ToolFailed, match="called back"):
        asyncio.run(tools["mail.release"].run(call))
    assert world.smtp.taken == []


@proves("mail.hold")
def test_one_that_has_gone_is_a_conflict(world: MailWorld) -> None:
    """Nobody can call it back, and the undo says so instead of claiming it."""
    tools = world.tools()
    args = held(world, tools)
    done(tools["mail.release"], args, "r/b")
    assert "conflict" in asyncio.run(tools["mail.cancel"].preview(Call(action=ActionId("r/u"), args=args))).text
    assert done(tools["mail.cancel"], args, "r/u")[1]["conflicts"]
    assert len(world.smtp.taken) == 1


@proves("mail.goes_once")
def test_a_letter_goes_once_with_our_id_and_is_filed(world: MailWorld) -> None:
    """To every recipient, those of Bcc without being named; the copy among the sent letters has the same Message-ID."""
    tools = world.tools()
    args = held(world, tools, cc=["cy@example.org"], bcc=["dan@EXAMPLE.org", "bob@example.org"])
    _, result = done(tools["mail.release"], args)
    ((recipients, content),) = world.smtp.taken
    assert recipients == ["bob@example.org", "cy@example.org", "dan@example.org"]
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["Message-ID"] == result["message_id"]
    assert b"dan@" not in content
    assert message["From"] == "Ann Example <ann@example.org>"
    assert world.imap.look("Sent")["Sent"] == [("Seats", "Two of them,\r\nplease.", ("\\Seen",))]
    assert asyncio.run(tools["mail.release"].probe(Call(action=ActionId("r/a"), args=args))).happened is Happened.YES


@proves("mail.goes_once")
def test_whoever_comes_second_takes_nothing_from_the_first(world: MailWorld) -> None:
    """While one lets it go another one fails, and leaves it where it is."""
    tools = world.tools()
    args = held(world, tools)
    second = begun(tools["mail.release"], args)
    world.outbox.move(str(args["id"]), Where.HELD, Where.SENDING)  # the first is at it
    with pytest.raises(ToolFailed):
        asyncio.run(tools["mail.release"].run(second))
    assert world.outbox.where(str(args["id"])) is Where.SENDING
    assert done(tools["mail.cancel"], args, "r/u")[1]["conflicts"]
    assert world.smtp.taken == []


@proves("mail.asks")
def test_nobody_but_the_outbox_lets_a_letter_go(world: MailWorld) -> None:
    """Whatever else an action's run is called, and with whatever attempt."""
    tools = world.tools()
    args = held(world, tools)
    for attempt in (1, 2):
        with pytest.raises(ToolFailed, match="only the outbox"):
            asyncio.run(tools["mail.release"].capture(Call(action=ActionId("r/a"), args={**args, "attempt": attempt})))
        with pytest.raises(ToolFailed, match="only the outbox"):
            asyncio.run(tools["mail.release"].run(Call(action=ActionId("mail-0/release.1"), args={**args, "attempt": attempt})))
    assert world.smtp.taken == []


@proves("mail.drafts")
def test_undoing_a_draft_takes_nothing_of_anybody_else(world: MailWorld) -> None:
    """A draft that was rewritten under its own Message-ID stays, and so does what somebody only marked as deleted."""
    tools = world.tools()
    call, result = done(tools["mail.draft"], world.letter())
    how = tools["mail.draft"].undo(call, result)
    assert how is not None
    with world.imap.box() as box:
        box.append(b"Subject: marked\r\n\r\nkeep\r\n", "Drafts", dt=None, flag_set=["\\Deleted"])
        box.append(f"Message-ID: {result['drafted']}\r\nSubject: rewritten\r\n\r\nx\r\n".encode(), "Drafts", dt=None)
    assert done(tools[how.tool], how.args, "r/u")[1] == {"removed": result["drafted"]}
    left = [("Seats", ("\\Deleted", "\\Draft")), ("marked", ("\\Deleted",)), ("rewritten", ())]
    assert sorted((subject, tuple(sorted(flags))) for subject, _, flags in world.imap.look("Drafts")["Drafts"]) == left
    assert done(tools[how.tool], how.args, "r/v")[1]["conflicts"]
    assert sorted((subject, tuple(sorted(flags))) for subject, _, flags in world.imap.look("Drafts")["Drafts"]) == left


@proves("mail.drafts")
def test_a_draft_whose_answer_is_lost_is_in_doubt_and_looking_tells(world: MailWorld) -> None:
    """The server has taken it and the connection ends: nobody calls that a failure."""
    with dropping(world.imap, b"APPEND") as port:
        tool = world.tools(imap=f"imap://{USER}:{PASSWORD}@127.0.0.1:{port}")["mail.draft"]
        call = begun(tool, world.letter())
        with pytest.raises(ToolUncertain):
            asyncio.run(tool.run(call))
    assert [subject for subject, *_ in world.imap.look("Drafts")["Drafts"]] == ["Seats"]
    assert asyncio.run(world.tools()["mail.draft"].probe(call)).happened is Happened.YES


@proves("mail.hold")
def test_what_can_be_called_back_is_told_from_what_cannot(world: MailWorld) -> None:
    """By the tool itself, so that what policy says of it beforehand is what it says of a letter."""
    assert world.tools()["mail.send"].spec.effect is Effect.DEFERRABLE
    assert world.tools(hold=0)["mail.send"].spec.effect is Effect.IRREVERSIBLE


@proves("mail.drafts")
def test_a_refusal_is_no_success(world: MailWorld) -> None:
    """A server that lets nothing be marked has not removed the draft, whatever the client library makes of its no."""
    call, result = done(world.tools()["mail.draft"], world.letter())
    back = world.tools()["mail.draft"].undo(call, result)
    assert back is not None
    with dropping(world.imap, b"STORE", says=b"NO permission denied") as port:
        discard = world.tools(imap=f"imap://{USER}:{PASSWORD}@127.0.0.1:{port}")["mail.discard"]
        with pytest.raises(ToolUncertain, match="permission denied"):
            done(discard, back.args)
    assert [subject for subject, *_ in world.imap.look("Drafts")["Drafts"]] == ["Seats"]


@proves("mail.outcomes")
def test_whoever_is_not_let_in_leaves_nothing_behind(world: MailWorld) -> None:
    """Neither a connection nor a clock that runs on."""
    before = set(threading.enumerate())
    with pytest.raises(ToolFailed, match="does not let"):
        tool_calls.read(world.tools(imap=f"imap://{USER}:wrong@127.0.0.1:{world.imap.port}")["mail.search"], {"account": "me"})
    assert not [thread for thread in set(threading.enumerate()) - before if isinstance(thread, threading.Timer)]


@proves("mail.damage")
def test_a_damaged_letter_stops_no_other(world: MailWorld) -> None:
    """It is named, and cannot be let go; the others are listed as before."""
    tools = world.tools()
    held(world, tools)
    for number, content in enumerate((b"", b'{"v": 1}\n\nx', b"[1]\n\nx")):
        (world.folder / "outbox" / "held" / f"{number:032x}").write_bytes(content)
    assert [letter.subject for _, letter in world.outbox.all(Where.HELD)] == ["Seats"]
    assert len(world.outbox.damaged()) == 3
    with pytest.raises(ToolFailed):
        asyncio.run(tools["mail.cancel"].preview(Call(action=ActionId("r/u"), args={"account": "me", "id": f"{0:032x}"})))


@proves("mail.all_or_none")
def test_one_refused_recipient_stops_the_whole_letter(world: MailWorld) -> None:
    """Before its text went: nobody gets it, it is said who was refused, and it is still held."""
    tools = world.tools()
    args = held(world, tools, to=["bob@example.org", "nobody@example.org"])
    world.smtp.refused.add("nobody@example.org")
    with pytest.raises(ToolFailed, match="for nobody@"):
        done(tools["mail.release"], args)
    assert world.smtp.taken == []
    assert world.outbox.where(str(args["id"])) is Where.HELD


@proves("mail.outcomes")
@pytest.mark.parametrize(
    ("trouble", "error", "where", "happened"),
    [
        ("451 later", Unavailable, Where.HELD, Happened.NO),
        ("554 never", ToolFailed, Where.HELD, Happened.NO),
        ("close", ToolUncertain, Where.SENDING, Happened.UNKNOWN),
        ("rubbish", ToolUncertain, Where.SENDING, Happened.UNKNOWN),
    ],
)
def test_how_it_ended_is_told_apart(world: MailWorld, trouble: str, error: type[RemitError], where: Where, happened: Happened) -> None:
    """Refused now, refused for good, or no answer after its text went: only the last is in doubt, until a copy turns up."""
    tools = world.tools()
    args = held(world, tools)
    call = begun(tools["mail.release"], args)
    world.smtp.trouble.append(trouble)
    with pytest.raises(error) as raised:
        asyncio.run(tools["mail.release"].run(call))
    assert isinstance(raised.value, Unavailable) == (error is Unavailable)
    assert world.outbox.where(str(args["id"])) is where
    assert asyncio.run(tools["mail.release"].probe(call)).happened is happened
    if where is Where.SENDING:
        world.imap.add("Sent", world.smtp.taken[0][1])
        assert asyncio.run(tools["mail.release"].probe(call)).happened is Happened.YES


@proves("mail.outcomes")
def test_a_server_that_is_down_or_talks_rubbish_was_sent_nothing(world: MailWorld) -> None:
    """It is tried again later; nothing hangs."""
    tools = world.tools(imap="")
    args = held(world, tools)
    gone = world.smtp.port
    world.smtp.port = 9  # nobody there
    with pytest.raises(Unavailable, match="not reached"):
        done(world.tools()["mail.release"], args)
    with rubbish() as port:
        world.smtp.port = port
        with pytest.raises(Unavailable):
            done(world.tools()["mail.release"], args)
    world.smtp.port = gone
    assert world.outbox.where(str(args["id"])) is Where.HELD
    assert world.smtp.taken == []


@proves("mail.injection")
@pytest.mark.parametrize(
    "args",
    [
        {"subject": "hello\r\nBcc: evil@example.net"},
        {"subject": "hello\nX: y"},
        {"to": ["bob@example.org\r\nRCPT TO:<evil@example.net>"]},
        {"to": ["Bob <bob@example.org>"]},
        {"to": ["bob@example.org,evil@example.net"]},
        {"to": ["bob@ex\u00e4mple.org"]},
        {"to": ["bob@example.org>"]},
        {"to": ["bob"]},
        {"to": [" bob@example.org"]},
        {"to": []},
        {"cc": ["a@b@c"]},
        {"subject": "=?utf-8?q?Seats=0D=0ABcc:_evil@x.org?="},
        {"subject": "=?utf-8?q?hidden?="},
        {"to": ["bob@=?utf-8?q?evil.net?="]},
        {"to": ["=?utf-8?q?evil?=@example.org"]},
        {"to": ["a%40evil.net@example.org"]},
        {"to": ["a?bcc=evil@example.org"]},
        {"bcc": ["\u202ebob@example.org"]},
    ],
)
def test_no_header_and_no_recipient_of_anybody_elses_making(world: MailWorld, args: dict[str, JsonValue]) -> None:
    """A line break in a header, a name beside an address, an address that readers take apart differently: refused, nothing held."""
    with pytest.raises(ArgsInvalid) as raised:
        begun(world.tools()["mail.send"], world.letter(**args))
    assert raised.value.fix
    assert list(world.outbox.all(*Where)) == []


@proves("mail.injection")
def test_hidden_characters_stand_in_the_question(world: MailWorld) -> None:
    """Text and subject are shown with what hides in them, and every recipient is shown, those of Bcc too."""
    tools = world.tools()
    args = world.letter(subject="pay\u202etxt", text="a\u200bb\x1b[2J", bcc=["dan@example.org"])
    shown = asyncio.run(tools["mail.send"].preview(Call(action=ActionId("r/a"), args=args))).text
    assert "⟨U+202E⟩" in shown
    assert "⟨U+200B⟩" in shown
    assert "⟨U+001B⟩" in shown
    assert "Bcc: dan@example.org" in shown
    assert tools["mail.send"].targets(args) == ("mailto:bob@example.org", "mailto:dan@example.org")


@proves("mail.attachments")
def test_attachments_go_as_they_were_shown(world: MailWorld) -> None:
    """Bytes of any kind arrive; a file that was changed since it was shown is a conflict; one outside the folders is refused."""
    tools = world.tools()
    file = world.folder / "root" / "plän.bin"
    file.write_bytes(bytes(range(256)))
    args = world.letter(attachments=["plän.bin"])
    call = begun(tools["mail.send"], args)
    result: Any = asyncio.run(tools["mail.send"].run(call))
    done(tools["mail.release"], {"account": "me", "id": result["held"]}, "r/b")
    message = email.message_from_bytes(world.smtp.taken[0][1], policy=email.policy.default)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "plän.bin"
    assert attached.get_content() == bytes(range(256))
    stale = Call(action=ActionId("r/c"), args=args, staged=call.staged)
    file.write_bytes(b"other")
    with pytest.raises(Conflict):
        asyncio.run(tools["mail.send"].capture(stale))
    with pytest.raises(OutsideRoots):
        begun(tools["mail.send"], world.letter(attachments=["/etc/passwd"]))
    assert list(tools["mail.send"].amounts_to(call)) == [("files.read", {"path": str(file)})]


@proves("mail.threads")
def test_an_answer_belongs_to_its_thread(world: MailWorld) -> None:
    """In-Reply-To and References name what is answered, and nothing that only looks like an id."""
    original = (
        b"Message-ID: <one@example.net>\r\nReferences: <zero@example.net> rubbish\r\n"
        b"From: bob@example.org\r\nSubject: Seats\r\n\r\nHow many?\r\n"
    )
    world.imap.add("INBOX", original)
    tools = world.tools()
    found: Any = asyncio.run(tools["mail.search"].run(Call(action=ActionId("r/s"), args={"account": "me"})))
    args = held(world, tools, answers=found["letters"][0]["uid"], subject="Re: Seats")
    _, content = world.outbox.read(str(args["id"]))
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["In-Reply-To"] == "<one@example.net>"
    assert message["References"] == "<zero@example.net> <one@example.net>"


@proves("mail.reading")
def test_reading_marks_nothing_and_searching_finds(world: MailWorld) -> None:
    """Letters stay unread, the newest come first, and words in any script are found."""
    for number, subject in enumerate(("first", "Gr\u00fc\u00dfe", "third")):
        head = email.message.EmailMessage(policy=email.policy.SMTP)
        head["Subject"], head["From"], head["Message-ID"] = subject, "bob@example.org", f"<{number}@example.net>"
        head.set_content(f"text {number}")
        if number == 2:
            head.add_attachment(b"\0\1", maintype="application", subtype="octet-stream", filename="x.bin")
        world.imap.add("INBOX", head.as_bytes())
    tools = world.tools()

    def search(**args: JsonValue) -> list[str]:
        found: Any = asyncio.run(tools["mail.search"].run(Call(action=ActionId("r/s"), args={"account": "me", **args})))
        return [one["subject"] for one in found["letters"]]

    assert search() == ["third", "Gr\u00fc\u00dfe", "first"]
    assert search(limit=1) == ["third"]
    assert search(subject="third") == ["third"]
    assert search(unread=True) == ["third", "Gr\u00fc\u00dfe", "first"]
    found: Any = asyncio.run(tools["mail.search"].run(Call(action=ActionId("r/s"), args={"account": "me", "limit": 1})))
    read: Any = asyncio.run(tools["mail.read"].run(Call(action=ActionId("r/r"), args={"account": "me", "uid": found["letters"][0]["uid"]})))
    assert read["text"].strip() == "text 2"
    assert read["attachments"] == [{"name": "x.bin", "type": "application/octet-stream", "bytes": 2}]
    assert search(unread=True) == ["third", "Gr\u00fc\u00dfe", "first"]
    with pytest.raises(ArgsInvalid):
        search(subject='x"\r\nA1 DELETE INBOX')
    with pytest.raises(ToolFailed) as raised:
        search(folder="Nowhere")
    assert raised.value.fix


@proves("mail.classes")
def test_without_a_hold_it_is_irreversible(world: MailWorld) -> None:
    """The hold is what makes it less; no argument shortens it."""
    assert world.tools()["mail.send"].effect(world.letter()) is Effect.DEFERRABLE
    assert world.tools(hold=0)["mail.send"].effect(world.letter()) is Effect.IRREVERSIBLE
    assert world.tools()["mail.release"].effect({}) is Effect.IRREVERSIBLE


@proves("mail.accounts")
@pytest.mark.parametrize(
    "more",
    [
        {"smtp": "smtp://mail.example.org"},
        {"imap": "imap://user:pw@mail.example.org"},
        {"smtp": "http://mail.example.org"},
        {"smtp": "smtps://host:port"},
        {"smtp": "smtps://"},
        {"address": "nobody"},
        {"address": "a@b\r\nBcc: c@d"},
    ],
)
def test_an_account_that_cannot_be_right_is_refused(world: MailWorld, more: dict[str, Any]) -> None:
    """No password over an open wire, no strange URL, no address that is none."""
    with pytest.raises(BadInput) as raised:
        known({"me": replace(world.account(), **more)})
    assert raised.value.fix


@proves("mail.injection")
def test_an_address_has_one_form() -> None:
    """The host in small letters, so that one person is one target."""
    assert plain("Bob.Smith+x@EXAMPLE.org") == "Bob.Smith+x@example.org"
