"""What is written about actions that never start: what was wanted, and why it came to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from remit.domain.action import Action
from remit.domain.decision import Decision, Facts
from remit.domain.entry import Draft, Kind
from remit.domain.outcome import Outcome
from remit.domain.receipt import Finished, Refused
from remit.domain.record import Record, outcome_body
from remit.domain.values import JsonValue
from remit.errors import RemitError
from remit.gate.execution import Execution, failed
from remit.gate.facts import to_body
from remit.gate.judgement import Judgement
from remit.ports import Clock


class Ending:
    """Ends actions before their start. `before` goes into the same transaction."""

    def __init__(self, execution: Execution, judgement: Judgement, clock: Clock) -> None:
        self._execution = execution
        self._judgement = judgement
        self._clock = clock

    async def forbid(self, action: Action, before: Sequence[Draft], facts: Facts, decision: Decision, *, what: str = "") -> Refused:
        """Policy says never: why, and what would be allowed."""
        reason = f"{decision.explain()} ({what})" if what else decision.explain()
        return await self.refuse(action, before, by="policy", reason=reason, instead=self._judgement.instead(facts))

    async def refuse(self, action: Action, before: Sequence[Draft], *, by: str, reason: str, instead: str = "") -> Refused:
        """It will not run."""
        body: dict[str, JsonValue] = {"by": by, "reason": reason}
        if instead:
            body["instead"] = instead
        await self._execution.write([*before, self._draft(action, Kind.REFUSED, body)], durable=False)
        return Refused(action=action.id, by=by, reason=reason, instead=instead)

    async def fail(self, action: Action, before: Sequence[Draft], error: RemitError) -> Finished:
        """The tool says beforehand that it cannot."""
        outcome = failed(error.code, str(error))
        await self._execution.write([*before, self.finished(action, outcome)], durable=False)
        return Finished(action=action.id, outcome=outcome, args_json=action.args_json)

    def proposal(self, action: Action, record: Record, facts: Facts | None, decision: Decision | None) -> list[Draft]:
        """What is wanted and how it was judged; nothing when that stands in the journal."""
        if record.proposed is not None:
            return []
        body: dict[str, JsonValue] = {"tool": action.tool, "args": action.args, "actor": action.actor}
        if action.reason:
            body["why"] = action.reason
        if action.undoes:
            body["undoes"] = action.undoes
        if facts is not None:
            body["facts"] = to_body(facts)
        if decision is not None:
            body["because"] = [b.policy for b in decision.because]
        return [self._draft(action, Kind.PROPOSED, body)]

    def finished(self, action: Action, outcome: Outcome) -> Draft:
        """How it ended."""
        return self._draft(action, Kind.FINISHED, outcome_body(outcome))

    def _draft(self, action: Action, kind: Kind, body: Mapping[str, JsonValue]) -> Draft:
        return Draft(run=action.run, action=action.name, kind=kind, at=self._clock.now(), body=body)
