"""What an actor wants to do, and how bad doing it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from remit.domain.values import ActionId, Digest, JsonValue, RunId, canonical, digest, parse, split_id, thaw
from remit.errors import ArgsInvalid


class Effect(StrEnum):
    """What is left of an effect when it was a mistake. Egress (a read that leaves the machine) is a fact of its own."""

    PURE = "pure"
    REVERSIBLE = "reversible"
    TRANSACTIONAL = "transactional"
    COMPENSABLE = "compensable"
    DEFERRABLE = "deferrable"
    IRREVERSIBLE = "irreversible"


class Level(StrEnum):
    """How autonomous a run is, named after what the person still does (Feng et al. 2025), least autonomy first."""

    OPERATOR = "operator"
    COLLABORATOR = "collaborator"
    CONSULTANT = "consultant"
    APPROVER = "approver"
    OBSERVER = "observer"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One tool call that an actor wants to make. Wanting is free; only the gate runs it."""

    id: ActionId
    actor: str
    tool: str
    args_json: str
    """Canonical JSON of the arguments: what is judged, digested, journalled and handed to the tool is this text."""
    reason: str = ""
    """Why the actor wants it, in its own words. Shown, never judged and never part of the digest."""
    undoes: str = ""
    """The id of the action that this one takes back. Said by remit's own undo only: no model and no plan can."""

    @classmethod
    def wanting(
        cls, action_id: ActionId, *, actor: str, tool: str, args: Mapping[str, JsonValue], reason: str = "", undoes: str = ""
    ) -> Action:
        """Freeze `args` as they are now. Raises ArgsInvalid when they are not plain JSON."""
        return cls(id=action_id, actor=actor, tool=tool, args_json=canonical(args), reason=reason, undoes=undoes)

    @cached_property
    def run(self) -> RunId:
        return split_id(self.id)[0]

    @cached_property
    def name(self) -> str:
        """The part of the id that is unique within its run."""
        return split_id(self.id)[1]

    @property
    def args(self) -> dict[str, JsonValue]:
        """A fresh copy each time: changing it changes nothing. Raises ArgsInvalid for what is no strict JSON object."""
        return thaw(self._strict)

    @cached_property
    def _strict(self) -> str:
        if not isinstance(parse(self.args_json), dict):
            raise ArgsInvalid("arguments are not a JSON object", fix="send an object with the tool's parameters by name")
        return self.args_json

    def digest(self, *, definition: str, binding: str) -> Digest:
        """What an approval is bound to: tool and its definition, exact arguments, and what the preview showed."""
        return digest("remit.approval.1", self.tool, definition, self.args_json, binding)
