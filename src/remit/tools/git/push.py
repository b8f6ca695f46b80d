"""The tools that reach other repositories: a push is a ref that is moved elsewhere, only from where it was seen there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import Conflict, ToolFailed, ToolUncertain
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import described, schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.git.moves import Move
from remit.tools.git.remotes import Remote, remote, there
from remit.tools.git.repository import BRANCH, ID, REPO, Repository, branch_ref, commit_of, found
from remit.tools.git.run import SECONDS, Git, plain

_REMOTE: Final[Mapping[str, JsonValue]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "default": "origin",
    "description": "a remote of the repository",
}
_COMMITS: Final = 200


class _Pushes(BaseTool):
    """Foresee, show, keep where the ref is there, move it only from there, look again."""

    def __init__(self, git: Git) -> None:
        self.git = git

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        repo = found(self.git, args)
        return (f"{self.other(repo, args).target}#{self.ref(repo, args)}",)

    def other(self, repo: Repository, args: Mapping[str, JsonValue]) -> Remote:
        return remote(repo, plain(args, "remote", "origin"))

    def ref(self, repo: Repository, args: Mapping[str, JsonValue]) -> str:
        return branch_ref(repo, plain(args, "branch"))

    @abstractmethod
    def plan(self, repo: Repository, args: Mapping[str, JsonValue]) -> Move:
        """Where the ref is there, and where it shall be. Raises ToolFailed."""

    async def preview(self, call: Call) -> Preview:
        return await uninterrupted(lambda: self.shown(call))

    async def capture(self, call: Call) -> Captured:
        return await uninterrupted(lambda: self._captured(call))

    async def run(self, call: Call) -> JsonValue:
        return await uninterrupted(lambda: self.pushed(call))

    async def probe(self, call: Call) -> Probed:
        """The other repository is asked where its ref is."""
        return await uninterrupted(lambda: self._probed(call))

    def shown(self, call: Call) -> Preview:
        repo = found(self.git, call.args)
        move = self.plan(repo, call.args)
        lines = [self.title(call.args), f"from {move.old or 'nothing'}", f"to {move.new or 'nothing'}"]
        clipped = False
        if move.new and not (move.old and not repo.ref(f"{move.old}^{{commit}}")):
            span = f"{move.old}..{move.new}" if move.old else move.new
            commits = repo.whole("log", f"--max-count={_COMMITS + 1}", "--format=%h %an: %s", span, "--").text.splitlines()
            clipped = len(commits) > _COMMITS
            lines += ["", *(visible(line, keep="") for line in commits[:_COMMITS]), *(["… and more"] if clipped else [])]
        binding = digest("remit.push.1", move.ref, move.old, move.new)
        return Preview(text="\n".join(lines), staged=move.to_json(), binding=binding, clipped=clipped)

    def pushed(self, call: Call) -> dict[str, JsonValue]:
        """Raises Conflict when it is somewhere else there by now, ToolUncertain when the other side did not answer."""
        repo, move = found(self.git, call.args), Move.from_json(call.captured)
        other = self.other(repo, call.args)
        lease = f"--force-with-lease={move.ref}:{move.old}"
        room = other.room(repo, writing=True)
        ran = self.git.call(room, "push", "--porcelain", "--no-verify", lease, "--", other.url, f"{move.new}:{move.ref}")
        crashpoint("git.pushed")
        state = next((line[:1] for line in ran.text.splitlines() if f":{move.ref}\t" in line), "")
        if state == "!":
            if "stale info" in ran.text:
                raise Conflict(f"{move.ref} was moved there meanwhile", fix="fetch, look, and decide anew")
            raise ToolFailed(f"it was refused there: {visible(ran.text)} {visible(ran.err)}", fix="see what the other side wants")
        if state == "=":
            raise Conflict(f"{move.ref} is there already: somebody else pushed it", fix="nothing is left to do")
        if ran.code or not state:
            raise ToolUncertain(f"the other side did not answer: {ran.err or ran.code}", fix="look whether it was moved")
        return _result(move)

    def _captured(self, call: Call) -> Captured:
        move = self.plan(found(self.git, call.args), call.args)
        if call.staged is not None and Move.from_json(call.staged) != move:
            raise Conflict(f"{move.ref} was moved since this was shown", fix="look at it again")
        return Captured(data=move.to_json(), touches=self.targets(call.args))

    def _probed(self, call: Call) -> Probed:
        if call.captured is None:
            return Probed(happened=Happened.UNKNOWN, detail="nothing was kept that it could be compared with")
        repo, move = found(self.git, call.args), Move.from_json(call.captured)
        now = there(repo, self.other(repo, call.args), move.ref)
        if now == move.new:
            return Probed(happened=Happened.YES, result=_result(move))
        if now == move.old:
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.UNKNOWN, result=_result(move), detail=f"{move.ref} is at {now or 'nothing'} there by now")


class GitPush(_Pushes):
    """A branch, to where it follows on what is there. Others may fetch it at once, so it counts as irreversible."""

    spec = ToolSpec(
        name="git.push",
        description="Push a branch to a remote, where it must follow on what is there. Never forced.",
        schema=schema(("branch",), repo=REPO, remote=_REMOTE, branch=described(BRANCH, "the branch, here and there")),
        effect=Effect.IRREVERSIBLE,
        egress=True,
        salient=("repo", "remote", "branch"),
        visible=("repo", "remote", "branch"),
        seconds=2 * SECONDS,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"push {visible(text(args, 'branch'), keep='')} to {visible(self.targets(args)[0], keep='')}"

    def plan(self, repo: Repository, args: Mapping[str, JsonValue]) -> Move:
        ref = self.ref(repo, args)
        new, old = commit_of(repo, ref), there(repo, self.other(repo, args), ref)
        if new == old:
            raise ToolFailed("it is there already", fix="commit something first")
        if old and not (repo.ref(f"{old}^{{commit}}") and repo.holds(old, new)):
            raise ToolFailed("somebody has pushed something else there", fix="fetch, and rebase or merge")
        return Move(ref=ref, old=old, new=new)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - what was captured is enough
        move: Any = Move.from_json(call.captured).back.to_json()
        args = {"repo": text(call.args, "repo", "."), "remote": text(call.args, "remote", "origin")}
        return Undo(tool="git.push_back", args={**args, **{name: move[name] for name in ("ref", "old", "new")}})


class GitPushBack(_Pushes):
    """Moves a branch of a remote back; one that somebody moved since stays where it is and is reported."""

    spec = ToolSpec(
        name="git.push_back",
        undoes=True,
        description="Move a remote's branch back to where it was before an earlier push. Used by undo.",
        schema=schema(("ref", "old", "new"), repo=REPO, remote=_REMOTE, ref={"type": "string", "pattern": "^refs/heads/"}, old=ID, new=ID),
        effect=Effect.IRREVERSIBLE,
        egress=True,
        salient=("repo", "remote", "ref"),
        visible=("repo", "remote", "ref"),
        seconds=2 * SECONDS,
    )

    def ref(self, repo: Repository, args: Mapping[str, JsonValue]) -> str:
        return branch_ref(repo, plain(args, "ref").removeprefix("refs/heads/"))

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"move {visible(self.targets(args)[0], keep='')} back to {text(args, 'new') or 'nothing'}"

    def plan(self, repo: Repository, args: Mapping[str, JsonValue]) -> Move:
        return Move(ref=self.ref(repo, args), old=text(args, "old"), new=text(args, "new"))

    def shown(self, call: Call) -> Preview:
        repo = found(self.git, call.args)
        move = self.plan(repo, call.args)
        now = there(repo, self.other(repo, call.args), move.ref)
        lost = "" if now == move.old else f"in conflict, it stays as it is now: it is at {now or 'nothing'}\n"
        return Preview(text=lost + self.title(call.args), staged=move.to_json())

    def pushed(self, call: Call) -> dict[str, JsonValue]:
        """A conflict is a result, so that the rest of an undo goes on."""
        try:
            return super().pushed(call)
        except Conflict as error:
            return {"conflicts": [{"path": self.targets(call.args)[0], "detail": error.message}]}


def _result(move: Move) -> dict[str, JsonValue]:
    """What the actor is told."""
    return {"ref": move.ref, "commit": move.new, "was": move.old}
