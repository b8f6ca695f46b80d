"""What commit and branch have in common: a ref at another place, and undone it is where it was."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, Conflict
from remit.ports import Call, Captured, Clock, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.tree import uri
from remit.tools.git.index import Entry, follow
from remit.tools.git.repository import ID, REPO, Repository, found
from remit.tools.git.run import Git

_SHOWN = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A ref, where it was seen, where it shall be ('' for nothing), and what of the index goes along."""

    ref: str
    old: str
    new: str
    index: Sequence[Entry] = ()

    @property
    def back(self) -> Move:
        return Move(ref=self.ref, old=self.new, new=self.old, index=tuple(entry.back for entry in self.index))

    def to_json(self) -> dict[str, JsonValue]:
        return {"ref": self.ref, "old": self.old, "new": self.new, "index": [entry.to_json() for entry in self.index]}

    @classmethod
    def from_json(cls, value: JsonValue) -> Move:
        """Raises ArgsInvalid for anything else than `to_json` made."""
        if not isinstance(value, Mapping) or not all(isinstance(value.get(name), str) for name in ("ref", "old", "new")):
            raise ArgsInvalid("what was kept is no move of a ref", fix="hand over what the action recorded, unchanged")
        index: Any = value.get("index", ())
        entries = tuple(Entry.from_json(entry) for entry in index)
        return cls(ref=str(value["ref"]), old=str(value["old"]), new=str(value["new"]), index=entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A move that was prepared, what a person is shown of it, and what a yes to it is bound to."""

    move: Move
    text: str
    binding: str


class MovesRef(BaseTool):
    """Foresee, show, keep, move the ref in one step, look again."""

    def __init__(self, git: Git, clock: Clock) -> None:
        self.git = git
        self.clock = clock

    def repo(self, args: Mapping[str, JsonValue]) -> Repository:
        return found(self.git, args)

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.git.roots.resolve(text(args, "repo", "."), follow=True)),)

    @abstractmethod
    def made(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Made:
        """What the call means now; with `keep` what it needs is put into the repository, where nobody sees it yet."""

    async def preview(self, call: Call) -> Preview:
        at = self.clock.now() // 1000
        made = await uninterrupted(lambda: self.made(self.repo(call.args), call, at, keep=False))
        more = "\n… it is not shown whole" if len(made.text) > _SHOWN else ""
        staged: JsonValue = {"at": at, "binding": made.binding}
        return Preview(text=made.text[:_SHOWN] + more, staged=staged, binding=made.binding, clipped=bool(more))

    async def capture(self, call: Call) -> Captured:
        return await uninterrupted(lambda: self._captured(call))

    async def run(self, call: Call) -> JsonValue:
        return await uninterrupted(lambda: self.moved(call))

    async def probe(self, call: Call) -> Probed:
        return await uninterrupted(lambda: self._probed(call))

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - what was captured is enough
        back = Move.from_json(call.captured).back
        return Undo(tool="git.restore", args={"repo": text(call.args, "repo", "."), **back.to_json()})

    def moved(self, call: Call) -> dict[str, JsonValue]:
        """Raises Conflict with nothing moved when the ref is somewhere else by now."""
        repo, move = self.repo(call.args), Move.from_json(call.captured)
        if not repo.move(move.ref, move.new, move.old, f"remit: {call.action}") and not (call.again and repo.ref(move.ref) == move.new):
            raise Conflict(f"{move.ref} was moved meanwhile", fix="look at it again and decide anew")
        crashpoint("git.moved")
        return _result(repo, move)

    def _captured(self, call: Call) -> Captured:
        repo = self.repo(call.args)
        staged: Any = call.staged if isinstance(call.staged, Mapping) else {}
        made = self.made(repo, call, int(staged.get("at", self.clock.now() // 1000)), keep=True)
        if staged and made.binding != staged["binding"]:
            raise Conflict("what would be done is not what was shown", fix="look at it again")
        return Captured(data=made.move.to_json(), touches=(repo.place(made.move.ref),))

    def _probed(self, call: Call) -> Probed:
        if call.captured is None:
            return Probed(happened=Happened.UNKNOWN, detail="nothing was kept that it could be compared with")
        repo, move = self.repo(call.args), Move.from_json(call.captured)
        now = repo.ref(move.ref)
        if now == move.old:
            return Probed(happened=Happened.NO, again=True)
        # Others may have gone on from where it was put; a ref that moves back is in its own old history anyway.
        onward = bool(move.new and now) and not (move.old and repo.holds(move.new, move.old)) and repo.holds(move.new, now)
        if now == move.new or onward:
            return Probed(happened=Happened.YES, result=_result(repo, move))
        told: JsonValue = {"ref": move.ref, "commit": move.new}
        return Probed(happened=Happened.UNKNOWN, result=told, detail=f"{move.ref} is at {now or 'nothing'} by now")


class GitRestore(MovesRef):
    """Puts a ref back where it was; one that somebody moved since stays where it is and is reported."""

    spec = ToolSpec(
        name="git.restore",
        undoes=True,
        description="Put a branch back where it was before an earlier action. Used by undo.",
        schema=schema(
            ("ref", "old", "new"),
            repo=REPO,
            ref={"type": "string", "pattern": "^refs/heads/"},
            old=ID,
            new=ID,
            index={"type": "array", "items": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3}},
        ),
        effect=Effect.REVERSIBLE,
        salient=("repo", "ref"),
        visible=("repo", "ref"),
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"put {visible(text(args, 'ref'), keep='')} back to {text(args, 'new') or 'nothing'}"

    def made(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Made:  # noqa: ARG002 - all of it is in the arguments
        move = replace(Move.from_json(call.args))
        now = repo.ref(move.ref)
        lost = f"in conflict, it stays as it is now: it is at {now or 'nothing'}\n" if now not in {move.old, move.new} else ""
        return Made(move=move, text=lost + self.title(call.args), binding=digest("remit.ref.1", move.ref, move.new))

    def moved(self, call: Call) -> dict[str, JsonValue]:
        """A conflict is a result, so that the rest of an undo goes on."""
        try:
            return super().moved(call)
        except Conflict as error:
            place = self.repo(call.args).place(Move.from_json(call.captured).ref)
            return {"conflicts": [{"path": place, "detail": error.message}]}


def _result(repo: Repository, move: Move) -> dict[str, JsonValue]:
    """What the actor is told, once the index has followed: it is derived, so following again changes nothing."""
    note = follow(repo, move.index) if move.index and repo.branch() == move.ref else ""
    return {"ref": move.ref, "commit": move.new, **({"note": note} if note else {})}
