"""The tools that reach other repositories: a push is a ref that is moved elsewhere, only from where it was seen there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import Conflict, ToolFailed, ToolUncertain, Unavailable
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.roots import Roots
from remit.tools.git.refs import Move
from remit.tools.git.repository import REPO, Repository, branch_ref, commit_of, opened, remote
from remit.tools.git.run import SECONDS, git, told

_REMOTE: Final[Mapping[str, JsonValue]] = {
    "type": "string",
    "minLength": 1,
    "default": "origin",
    "description": "a remote of the repository",
}
_BRANCH: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "the branch, here and there"}
_ID: Final[Mapping[str, JsonValue]] = {"type": "string", "pattern": "^([0-9a-f]{40})?$"}
_COMMITS: Final = 200


class _Pushes(BaseTool):
    """Foresee, show, keep where the ref is there, move it only from there, look again."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        repo = opened(self._roots, args)
        return (f"{remote(repo, text(args, 'remote', 'origin'), self._roots)}#{self.ref(repo, args)}",)

    def ref(self, repo: Repository, args: Mapping[str, JsonValue]) -> str:
        return branch_ref(repo, text(args, "branch"))

    @abstractmethod
    def plan(self, repo: Repository, args: Mapping[str, JsonValue]) -> Move:
        """Where the ref is there, and where it shall be. Raises ToolFailed."""

    def there(self, repo: Repository, args: Mapping[str, JsonValue]) -> str:
        """Where the ref of the remote is, '' for nowhere. Raises Unavailable when the other side cannot be asked."""
        name, ref = text(args, "remote", "origin"), self.ref(repo, args)
        remote(repo, name, self._roots)
        ran = git(repo.folder, "ls-remote", name, ref)
        if ran.code:
            raise Unavailable(f"{name} cannot be asked: {ran.err}", fix="see whether it is up and lets you in")
        return next((line.split("\t")[0] for line in ran.text.splitlines() if line.split("\t")[1:] == [ref]), "")

    async def preview(self, call: Call) -> Preview:
        return await uninterrupted(lambda: self._shown(call))

    async def capture(self, call: Call) -> Captured:
        return await uninterrupted(lambda: self._captured(call))

    async def run(self, call: Call) -> JsonValue:
        return await uninterrupted(lambda: self._pushed(call))

    async def probe(self, call: Call) -> Probed:
        """The other repository is asked where its ref is."""
        return await uninterrupted(lambda: self._probed(call))

    def _shown(self, call: Call) -> Preview:
        repo = opened(self._roots, call.args)
        move = self.plan(repo, call.args)
        lines = [self.title(call.args), f"from {move.old or 'nothing'}", f"to {move.new or 'nothing'}"]
        if move.new and not (move.old and not repo.ref(f"{move.old}^{{commit}}")):
            span = f"{move.old}..{move.new}" if move.old else move.new
            lines += ["", visible(told(repo.folder, "log", f"--max-count={_COMMITS}", "--format=%h %an: %s", span, "--").text, keep="\n")]
        binding = digest("remit.push.1", move.ref, move.old, move.new)
        return Preview(text="\n".join(lines), staged=move.to_json(), binding=binding)

    def _captured(self, call: Call) -> Captured:
        move = self.plan(opened(self._roots, call.args), call.args)
        if call.staged is not None and Move.from_json(call.staged) != move:
            raise Conflict(f"{move.ref} was moved since this was shown", fix="look at it again")
        return Captured(data=move.to_json(), touches=self.targets(call.args))

    def _pushed(self, call: Call) -> dict[str, JsonValue]:
        """Raises Conflict when it is somewhere else there by now, ToolUncertain when the other side did not answer."""
        repo, move = opened(self._roots, call.args), Move.from_json(call.captured)
        remote(repo, text(call.args, "remote", "origin"), self._roots)
        name = text(call.args, "remote", "origin")
        lease = f"--force-with-lease={move.ref}:{move.old}"
        ran = git(repo.folder, "push", "--porcelain", "--no-verify", lease, name, f"{move.new}:{move.ref}")
        if ran.code == 0:
            crashpoint("git.pushed")
            return {"ref": move.ref, "commit": move.new, "was": move.old}
        if any(line.startswith("!") for line in ran.text.splitlines()):
            if "stale info" in ran.text:
                raise Conflict(f"{move.ref} was moved there meanwhile", fix="fetch, look, and decide anew")
            raise ToolFailed(f"it was refused there: {ran.text}", fix="see what the other side wants")
        raise ToolUncertain(f"the other side did not answer: {ran.err or ran.code}", fix="look whether it was moved")

    def _probed(self, call: Call) -> Probed:
        if call.captured is None:
            return Probed(happened=Happened.UNKNOWN, detail="nothing was kept that it could be compared with")
        repo, move = opened(self._roots, call.args), Move.from_json(call.captured)
        now = self.there(repo, call.args)
        result: JsonValue = {"ref": move.ref, "commit": move.new, "was": move.old}
        if now == move.new:
            return Probed(happened=Happened.YES, result=result)
        if now == move.old:
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.UNKNOWN, result=result, detail=f"{move.ref} is at {now or 'nothing'} there by now")


class GitPush(_Pushes):
    """A branch, to where it follows on what is there. Others may fetch it at once, so it counts as irreversible."""

    spec = ToolSpec(
        name="git.push",
        description="Push a branch to a remote, where it must follow on what is there. Never forced.",
        schema=schema(("branch",), repo=REPO, remote=_REMOTE, branch=_BRANCH),
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
        new, old = commit_of(repo, ref), self.there(repo, args)
        if new == old:
            raise ToolFailed("it is there already", fix="commit something first")
        if old and not (repo.ref(f"{old}^{{commit}}") and repo.holds(old, new)):
            raise ToolFailed("somebody has pushed something else there", fix="fetch, and rebase or merge")
        return Move(ref=ref, old=old, new=new)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - what was captured is enough
        move: Any = Move.from_json(call.captured).to_json()
        args = {"repo": text(call.args, "repo", "."), "remote": text(call.args, "remote", "origin"), "ref": move["ref"]}
        return Undo(tool="git.push_back", args={**args, "old": move["new"], "new": move["old"]})


class GitPushBack(_Pushes):
    """Moves a branch of a remote back; one that somebody moved since stays where it is and is reported."""

    spec = ToolSpec(
        name="git.push_back",
        description="Move a remote's branch back to where it was before an earlier push. Used by undo.",
        schema=schema(
            ("ref", "old", "new"), repo=REPO, remote=_REMOTE, ref={"type": "string", "pattern": "^refs/heads/"}, old=_ID, new=_ID
        ),
        effect=Effect.IRREVERSIBLE,
        egress=True,
        salient=("repo", "remote", "ref"),
        visible=("repo", "remote", "ref"),
        seconds=2 * SECONDS,
    )

    def ref(self, repo: Repository, args: Mapping[str, JsonValue]) -> str:  # noqa: ARG002 - it is whole already
        return text(args, "ref")

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"move {visible(self.targets(args)[0], keep='')} back to {text(args, 'new') or 'nothing'}"

    def plan(self, repo: Repository, args: Mapping[str, JsonValue]) -> Move:  # noqa: ARG002 - all of it is in the arguments
        return Move(ref=text(args, "ref"), old=text(args, "old"), new=text(args, "new"))

    def _shown(self, call: Call) -> Preview:
        now = self.there(opened(self._roots, call.args), call.args)
        lost = "" if now == text(call.args, "old") else f"in conflict, it stays as it is now: it is at {now or 'nothing'}\n"
        return Preview(text=lost + self.title(call.args), staged=self.plan(opened(self._roots, call.args), call.args).to_json())

    def _pushed(self, call: Call) -> dict[str, JsonValue]:
        """A conflict is a result, so that the rest of an undo goes on."""
        try:
            return super()._pushed(call)
        except Conflict as error:
            return {"conflicts": [{"path": self.targets(call.args)[0], "detail": error.message}]}
