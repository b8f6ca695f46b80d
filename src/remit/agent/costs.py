"""What answers of models use: tokens as the endpoint counts them, and money by public prices or those of the configuration."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.usage import RequestUsage

from remit.agent.asking import HERE
from remit.domain.budget import MILLION
from remit.domain.values import JsonValue

_ONE: Final = RequestUsage(input_tokens=1, output_tokens=1)
Prices: TypeAlias = Mapping[str, tuple[Decimal, Decimal]]
"""By a model's name: US dollars for a million tokens in, and out."""


def used(responses: Sequence[ModelResponse], prices: Prices) -> dict[str, JsonValue]:
    """By all of them together. `usd` is in millionths; without a price known it is not there, and `unpriced` says for how many tokens."""
    found = {"in": 0, "out": 0, "cached": 0, "usd": 0, "unpriced": 0}
    for response in responses:
        usage = response.usage
        found["in"] += usage.input_tokens
        found["out"] += usage.output_tokens
        found["cached"] += usage.cache_read_tokens
        price = _price(response, prices)
        found["usd"] += price or 0
        found["unpriced"] += (usage.input_tokens + usage.output_tokens) * (price is None)
    return {name: number for name, number in found.items() if number or name in {"in", "out"}}


def unpriced(model: Model, prices: Prices) -> str:
    """The name of a model among these whose price is not known; empty when all are. One that runs here costs nothing."""
    leaves = model.models if isinstance(model, FallbackModel) else [model]
    plain = [one.wrapped if isinstance(one, WrapperModel) else one for one in leaves]
    return next((one.model_name for one in plain if _price(_asked(one), prices) is None), "")


def _asked(model: Model) -> ModelResponse:
    """As its shortest answer would be."""
    return ModelResponse(parts=[], usage=_ONE, model_name=model.model_name, provider_name=model.system, provider_url=model.base_url)


def _price(response: ModelResponse, prices: Prices) -> int | None:
    if (response.provider_url or "").startswith(HERE):
        return 0
    own = prices.get(response.model_name or "")
    if own is not None:
        return int(own[0] * response.usage.input_tokens + own[1] * response.usage.output_tokens)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int(response.cost().total_price * MILLION)
    except (AssertionError, LookupError, ValueError):
        return None
