"""One request to a model, with bounded patience: no wait is endless, and what cannot be had is said clearly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import (
    AgentRunError,
    FallbackExceptionGroup,
    ModelAPIError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.settings import ModelSettings

from remit.agent.constrained import Constrained
from remit.errors import ContextFull, ModelRejected, ModelTrouble, ModelUnavailable

LONGEST_ERROR: Final = 500

Pause = Callable[[float], Awaitable[None]]
OnText = Callable[[str], None]

HERE: Final = "http://local/"
"""The address of what is asked inside this process."""
_LASTING: Final = (ModelRequestRejectedError, ModelQuotaExceededError)
_UNREADABLE: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What clients of providers raise where an endpoint answers in another one's language."""
_PASSING_STATUS: Final = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often a model is asked before remit gives up for now. Seconds."""

    attempts: int = 5
    silence: float = 120.0
    """The longest wait for the next byte."""
    request: float = 300.0
    """The longest one request may take as a whole; an endpoint that trickles is no better than one that hangs."""
    first_pause: float = 1.0
    longest_pause: float = 60.0
    """No `retry-after` is followed for longer."""


_NOTHING: Final = ModelSettings()


async def ask(
    model: Model,
    messages: Sequence[ModelMessage],
    parameters: ModelRequestParameters,
    *,
    patience: Patience,
    pause: Pause = asyncio.sleep,
    on_text: OnText | None = None,
    extra: ModelSettings = _NOTHING,
) -> ModelResponse:
    """The model's next response; `on_text` is given its text as it comes.

    Raises ContextFull when the conversation is too long for it, ModelRejected when asking again cannot help, and
    ModelUnavailable when it did not help.
    """
    settings = ModelSettings(**extra, cache=True, timeout=patience.silence, request_timeout=patience.request, max_retries=0)
    for attempt in range(1, patience.attempts + 1):
        try:
            if on_text is not None and not _whole(model):
                return await _streamed(model, messages, settings, parameters, on_text)
            return await model_request(model, messages, model_settings=settings, model_request_parameters=parameters)
        except (AgentRunError, FallbackExceptionGroup, *_UNREADABLE) as failure:
            error = _heaviest(failure)
            if not _passing(error) or attempt == patience.attempts:
                raise _verdict(error, model, attempt) from failure
            if on_text is not None:
                on_text("\n(no whole answer; asking again)\n")
            await pause(_wait(error, attempt, patience))
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _streamed(
    model: Model, messages: Sequence[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters, on_text: OnText
) -> ModelResponse:
    async with model_request_stream(model, messages, model_settings=settings, model_request_parameters=parameters) as stream:
        async for event in stream:
            match event:
                case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                    on_text(text)
                case _:
                    pass
    return stream.get()


def _whole(model: Model) -> bool:
    """Whether its answers come whole or not at all."""
    return isinstance(model, Constrained) or (isinstance(model, FallbackModel) and any(map(_whole, model.models)))


def _heaviest(failure: Exception) -> AgentRunError:
    """Of a chain of models that all failed: one that may pass when there is one, as then it is worth asking again."""
    if isinstance(failure, AgentRunError):
        return failure
    if not isinstance(failure, FallbackExceptionGroup):
        return UnexpectedModelBehavior(f"the answer is not of the form that this provider's client expects ({failure})")
    errors = [error for error in failure.exceptions if isinstance(error, AgentRunError)]
    return next((error for error in errors if _passing(error)), errors[-1] if errors else UnexpectedModelBehavior(str(failure)))


def _wait(error: Exception, attempt: int, patience: Patience) -> float:
    """What the endpoint asked for, within our bound; else twice as long each time."""
    headers = error.headers if isinstance(error, ModelHTTPError) else None
    try:
        wanted = float((headers or {}).get("retry-after", ""))
    except ValueError:  # absent, or a date
        wanted = patience.first_pause * 2 ** (attempt - 1)
    return min(max(wanted, 0.0), patience.longest_pause)


def _passing(error: AgentRunError) -> bool:
    """Whether the same request may well succeed later: busy, broken or silent endpoints, and bodies that are cut off or no JSON."""
    if isinstance(error, _LASTING):
        return False
    if isinstance(error, ModelHTTPError):
        return error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status_code in _PASSING_STATUS
    return isinstance(error, ModelAPIError | UnexpectedModelBehavior)


def _here(model: Model) -> bool:
    return str(getattr(model, "base_url", None)).startswith(HERE)


def _place(model: Model) -> str:
    """Where it is asked, without the password that may stand there; empty inside this process."""
    where = urlsplit(str(getattr(model, "base_url", None) or ""))
    return "" if _here(model) else where._replace(netloc=where.netloc.rpartition("@")[2], query="").geturl()


def _too_long(error: AgentRunError) -> bool:
    """As llama.cpp says it, which the library does not know."""
    return isinstance(error, ModelHTTPError) and isinstance(error.body, dict) and error.body.get("type") == "exceed_context_size_error"


def _verdict(error: AgentRunError, model: Model, attempts: int) -> ModelTrouble:
    name, what = model.model_name, str(error)[:LONGEST_ERROR]
    if isinstance(error, ModelContextWindowExceededError) or _too_long(error):
        more = "; a local model may be given more room with REMIT_LOCAL_CONTEXT" if _here(model) else ""
        return ContextFull(f"the conversation is too long for {name}{more}", fix="start a new run for the rest of the goal")
    if _passing(error):
        where = _place(model)
        name = f"{name} at {where}" if where else name
        return ModelUnavailable(
            f"{name} gave no answer in {attempts} attempts: {what}", fix="the run is kept; continue it when the endpoint is back"
        )
    look = "file and the memory of this machine" if _here(model) else "model's name, the endpoint, the key and the account"
    return ModelRejected(f"{name} rejects the request: {what}", fix=f"look at the {look}")
