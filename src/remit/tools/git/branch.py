"""A new branch."""

from __future__ import annotations

from collections.abc import Mapping

from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import ToolFailed
from remit.ports import Call, ToolSpec
from remit.tools.args import described, schema, text
from remit.tools.git.moves import Made, Move, MovesRef
from remit.tools.git.repository import BRANCH, REF, REPO, Repository, branch_ref, commit_of
from remit.tools.git.run import plain


class GitBranch(MovesRef):
    """It is not checked out."""

    spec = ToolSpec(
        name="git.branch",
        description="Make a branch at a commit. It is not checked out; git.worktree makes a folder where it is.",
        schema=schema(("name",), repo=REPO, name=BRANCH, at=described({**REF, "default": "HEAD"}, "where")),
        effect=Effect.REVERSIBLE,
        salient=("repo", "name"),
        visible=("repo", "name"),
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"make branch {visible(text(args, 'name'), keep='')} in {visible(text(args, 'repo', '.'), keep='')}"

    def made(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Made:  # noqa: ARG002 - a branch has no time
        ref = branch_ref(repo, plain(call.args, "name"))
        if repo.ref(ref):
            raise ToolFailed(f"there is a branch {text(call.args, 'name')} already", fix="choose another name")
        move = Move(ref=ref, old="", new=commit_of(repo, plain(call.args, "at", "HEAD")))
        return Made(move=move, text=f"{self.title(call.args)}\nat {move.new}", binding=digest("remit.branch.1", move.ref, move.new))
