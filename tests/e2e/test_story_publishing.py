"""A release article from notes to the public page: a person reads what goes live, and only that does. End to end, on a small CMS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from cms_world import OPENAPI, Cms, cms
from loopback_openai import Loopback, Reply
from remit_program import Program, Said, program

GOAL = "write the release article from notes.md and publish it at cms"
NOTES = "- imports CSV\n- files of version 1 have to be saved anew\n"
SLUG = "release-2"
ARTICLE = {"title": "Release 2", "summary": "Imports CSV.", "text": "Release 2 imports CSV.", "state": "draft"}
BETTER = {**ARTICLE, "summary": "Imports CSV. Save your old files anew."}
THEIRS = {**ARTICLE, "summary": "Buy pills.", "text": "Pills, and it imports CSV."}
EDIT = json.dumps({"body": {"state": "live", "title": "Release 2 is here"}})
POLICY = """
@id("drafts") @reason("nobody but us sees a draft, and pages are public")
permit (principal, action in [Action::"http.cms.saveDraft", Action::"http.cms.readArticle", Action::"http.cms.readPage"], resource);
@id("live") @reason("a person reads what goes live")
forbid (principal, action in [Action::"http.cms.publish", Action::"http.change", Action::"http.send"], resource)
unless { context.approvals >= 1 };
"""


def step(name: str, tool: str, args: dict[str, object], reason: str, look: str, word: str, **more: object) -> dict[str, object]:
    """One that counts as done once looking shows the word."""
    seen = {"tool": look, "args": {key: args[key] for key in ("path", "slug") if key in args}, "at": "text", "contains": word}
    return {"id": name, "tool": tool, "args": args, "reason": reason, "check": [seen], **more}


PLAN = [
    step("write", "files-write", {"path": "article.md"}, "here it is easily changed", "files-read", "CSV"),
    step(
        "upload",
        "http-cms-saveDraft",
        {"slug": SLUG, "body": "${write}"},
        "as a draft first",
        "http-cms-readArticle",
        '"state": "draft"',
        times=3,
    ),
    step("live", "http-cms-publish", {"slug": SLUG, "body": {"state": "live"}}, "for everybody", "http-cms-readPage", "imports CSV"),
]


def calls(tool: str, **args: object) -> Reply:
    return Reply(calls=[(tool, json.dumps(args))])


PUBLISH = calls("http-cms-publish", slug=SLUG, body={"state": "live"})
DRAFTED = (
    calls("plan", steps=PLAN),
    calls("files-read", path="notes.md"),
    calls("files-write", path="article.md", text=f"# {ARTICLE['title']}\n\n{ARTICLE['text']}\n"),
    calls("http-cms-saveDraft", slug=SLUG, body=ARTICLE),
    PUBLISH,
)
REPORT = Reply(text="The article about release 2 is live.")


@dataclass(frozen=True)
class World:
    """A draft that waits for a person to let it go live."""

    remit: Program
    there: Cms
    server: Loopback
    first: Any = None
    """The question about it."""

    @property
    def env(self) -> dict[str, str]:
        return {"REMIT_MODEL": "openai-compatible:tiny", "REMIT_BASE_URL": self.server.address}

    def question(self) -> Any:
        """The only one that is open."""
        (found,) = self.remit.json("inbox", "--json")
        return found

    def say(self, *answer: str) -> Said:
        """`say("approve", …)` answers it by its whole id."""
        return self.remit(answer[0], self.question()["id"], *answer[1:], **self.env)

    def told(self) -> str:
        """What the model was told last."""
        return str(self.server.asked[-1]["messages"][-1]["content"])


@contextmanager
def drafted(tmp_path: Path, after: Sequence[Reply] = (REPORT,), *, script: Sequence[Reply] = DRAFTED) -> Iterator[World]:
    remit = program(tmp_path)
    (remit.folder / "notes.md").write_text(NOTES, encoding="utf-8")
    with cms() as there, Loopback([*script, *after]) as server:
        document = remit.home / "config" / "remit" / "cms.json"
        remit.configure(f'[http.cms]\nbase = "{there.base}"\nprivate = true\npreconditions = true\nopenapi = "{document}"\n')
        document.write_text(json.dumps(OPENAPI), encoding="utf-8")
        document.with_name("policy.cedar").write_text(POLICY, encoding="utf-8")
        world = World(remit, there, server)
        remit("run", GOAL, "--level", "approver", **world.env)
        yield World(remit, there, server, next(iter(remit.json("inbox", "--json")), None))


@proves("story.publishing")
def test_an_article_goes_live_once_and_as_a_person_edited_it(tmp_path: Path) -> None:
    """The only question shows the whole article; what the person wrote is what everybody sees, the model hears of it, undo withdraws it."""
    with drafted(tmp_path) as world:
        there, shown = world.there, world.first
        assert all(json.dumps(text) in shown["body"] for text in ARTICLE.values()), shown["body"]
        assert '+  "state": "live"' in shown["body"]
        assert not shown["clipped"]
        assert (there.article(SLUG), there.page(SLUG)) == (ARTICLE, "")
        said = world.say("approve", "--edit", EDIT)
        assert said.code == 0, said.out + said.err
        assert there.went_live == [{**ARTICLE, "title": "Release 2 is here", "state": "live"}]
        assert '"edited_by"' in world.told()
        assert '"title":"Release 2 is here"' in world.told()
        assert said.out.count("its checks held") == len(PLAN)
        assert (world.remit.folder / "article.md").read_text(encoding="utf-8").startswith("# Release 2\n")
        assert world.remit("undo", world.first["action"], "--yes").code == 0
        assert (there.article(SLUG), there.page(SLUG), len(there.went_live)) == (ARTICLE, "", 1)


def test_what_was_denied_is_changed_as_the_note_says_and_asked_about_anew(tmp_path: Path) -> None:
    """The draft stays one; the no is not carried over to the new text, nor is anything live before the person's yes to that."""
    change = calls("http-cms-saveDraft", slug=SLUG, body=BETTER)
    with drafted(tmp_path, [change, PUBLISH, REPORT]) as world:
        there = world.there
        said = world.say("deny", "--note", "the summary has to say that old files are saved anew")
        assert said.code == 3, said.out + said.err
        assert any("has to say that old files" in str(asked["messages"][-1]["content"]) for asked in world.server.asked)
        again = world.question()
        assert again["digest"] != world.first["digest"]
        assert BETTER["summary"] in again["body"]
        assert (there.article(SLUG), there.page(SLUG)) == (BETTER, "")
        said = world.say("approve")
        assert there.went_live == [{**BETTER, "state": "live"}]
        assert said.out.count("its checks held") == len(PLAN)

        assert said.code == 0, said.out


@pytest.mark.parametrize("edit", [[], ["--edit", EDIT]], ids=["as it is", "edited"])
def test_what_somebody_else_wrote_meanwhile_does_not_go_live_unseen(tmp_path: Path, edit: list[str]) -> None:
    """The draft is another one by the time of the yes: the person is shown that one, and their no to it keeps it a draft."""
    with drafted(tmp_path, [Reply(text="COULD NOT: somebody else changed it.")]) as world:
        assert "pills" not in world.first["body"]
        world.there.put(SLUG, THEIRS)
        said = world.say("approve", *edit)

        assert world.there.went_live == [], said.out
        assert said.code == 3, said.out + said.err
        again = world.question()
        assert THEIRS["summary"] in again["body"]
        assert edit or "was changed since" in again["why"]
        assert world.say("deny").code == 1
        assert (world.there.article(SLUG), world.there.went_live) == (THEIRS, [])


def test_the_whole_run_is_taken_back(tmp_path: Path) -> None:
    """Live, draft and file are as they were before; looking at pages left nothing that would have to be taken back."""
    with drafted(tmp_path) as world:
        assert world.say("approve").code == 0
        undone = world.remit("undo", world.first["action"].partition("/")[0], "--yes")
        assert not (world.remit.folder / "article.md").exists()
        assert world.there.page(SLUG) == ""

        assert world.there.articles == {}, undone.out

        assert "cannot take back" not in undone.out
        assert undone.code == 0


def test_a_service_that_keeps_what_is_live_is_told_of(tmp_path: Path) -> None:
    """Undo says why it stays, and does not claim to have withdrawn it."""
    with drafted(tmp_path) as world:
        assert world.say("approve").code == 0
        world.there.keeps = True
        undone = world.remit("undo", world.first["action"], "--yes")
        assert undone.code == 5
        assert "what is live stays live" in undone.out
        assert ARTICLE["text"] in world.there.page(SLUG)


def test_a_tool_of_undo_is_no_way_past_the_rule(tmp_path: Path) -> None:
    """A model that has its text kept as what a file was before, and then wants that put back at the CMS, publishes nothing."""
    live = json.dumps({**ARTICLE, "state": "live"})
    was = {"etag": "x", "type": "application/json", "body": hashlib.sha256(live.encode()).hexdigest()}
    kept = [calls("files-write", path="article.md", text=text) for text in (live, "")]
    back = calls("http-restore", service="cms", path=f"articles/{SLUG}", etag=None, was=was)
    with drafted(tmp_path, script=[*kept, back]) as world:
        assert world.there.went_live == []
