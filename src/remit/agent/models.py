"""From a model's name to a model. Only here is it known which endpoint a name means and which key it gets.

A name is `PROVIDER:MODEL`. Keys never travel to an endpoint they were not made for: a provider's own key variable is used
with the provider's own address only; for any other address set REMIT_API_KEY.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic_ai.models import Model
from pydantic_ai.profiles import ModelProfile

from remit.errors import BadInput, ModelUnset

PREFIX: Final = "json+"
"""Before a model's name: it is asked for JSON instead of tool calls."""
LOCAL: Final = "local:"
"""Before the path of a model file: it is run in this process, and asked for JSON."""
_OTHERWISE: Final = (
    "set REMIT_MODEL=PROVIDER:MODEL (anthropic, openai, google, ollama, openai-compatible, local), or give --model; "
    "without any model, `remit run plan.toml` runs a plan file and `remit demo` shows the rest"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a provider lives, which variables name its address and key, and how its model is made."""

    address: str
    address_variable: str
    key_variable: str
    key_needed: bool
    make: Callable[[str, str, str], Model]
    """From model name, address and key."""


def resolve(name: str, *, env: Mapping[str, str]) -> Model:
    """The model that `name`, or else REMIT_MODEL, means; of several with commas between, each is asked when the one before fails.

    Sends nothing. Raises ModelUnset when no model is named or its key or address is missing, BadInput for an unknown provider.
    """
    names = [part.strip() for part in (name or env.get("REMIT_MODEL", "")).split(",") if part.strip()]
    if not names:
        raise ModelUnset("no model is set", fix=_OTHERWISE)
    first, *others = [_asked(one, env) for one in names]
    if not others:
        return first
    from pydantic_ai.models.fallback import FallbackModel  # noqa: PLC0415 - for a chain only

    return FallbackModel(first, *others)


def lasting(name: str) -> str:
    """The same name, as it means the same from every folder."""
    return ",".join(_lasting(part.strip()) for part in name.split(","))


def _lasting(name: str) -> str:
    """Raises BadInput for a path that cannot stand among others."""
    before, local, path = name.partition(LOCAL)
    if not local or not path or before not in {"", PREFIX}:
        return name
    whole = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - which follow no links, and do not fail for nobody's home
    if "," in whole:
        raise BadInput(f"a comma stands in {whole}, and commas stand between models", fix="rename the folder, or make a link to the file")
    return f"{before}{LOCAL}{whole}"


def _asked(name: str, env: Mapping[str, str]) -> Model:
    """The model, asked in the way that its name says."""
    if not name.startswith((PREFIX, LOCAL)):
        return _resolve(name, env)
    from remit.agent.constrained import Constrained  # noqa: PLC0415 - for these only

    name = name.removeprefix(PREFIX)
    return Constrained(_resolve(name, env), exact=name.startswith(LOCAL))


def _resolve(name: str, env: Mapping[str, str]) -> Model:
    if name.startswith(LOCAL):
        from remit.agent.local import local  # noqa: PLC0415 - for these only

        return local(name.removeprefix(LOCAL), env.get("REMIT_LOCAL_CONTEXT", ""))
    label, colon, model = name.partition(":")
    if label not in PROVIDERS and env.get("REMIT_BASE_URL"):
        label, colon, model = "openai-compatible", ":", name  # model names may contain colons themselves
    provider = PROVIDERS.get(label)
    if provider is None or not (colon and model):
        known = ", ".join([*(f"{each}:MODEL" for each in PROVIDERS), f"{LOCAL}FILE"])
        raise BadInput(f"{name!r} names no model remit knows", fix=f"use one of {known}, or set REMIT_BASE_URL")
    return provider.make(model, *_address_and_key(label, provider, env))


def _address_and_key(label: str, provider: Provider, env: Mapping[str, str]) -> tuple[str, str]:
    elsewhere = env.get("REMIT_BASE_URL", "")
    address = elsewhere or env.get(provider.address_variable, "") or provider.address
    if not address:
        raise ModelUnset(f"{label} needs an address", fix="set REMIT_BASE_URL, e.g. http://127.0.0.1:8000/v1")
    if not address.startswith(("http://", "https://")) or not _is_address(address):
        raise BadInput(f"{address!r} is not an address", fix="an address begins with http:// or https://")
    key = env.get("REMIT_API_KEY", "") or ("" if elsewhere else env.get(provider.key_variable, ""))
    if provider.key_needed and not (key or elsewhere):
        raise ModelUnset(f"{label} needs a key", fix=f"set {provider.key_variable} or REMIT_API_KEY; {_OTHERWISE}")
    return address, key or "none"


def _is_address(text: str) -> bool:
    try:
        return text.isprintable() and bool(urlsplit(text).hostname)
    except ValueError:
        return False


def _openai(model: str, address: str, key: str) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415 - each provider's library takes a second to import
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    return OpenAIChatModel(model, provider=OpenAIProvider(base_url=address, api_key=key), profile=_whole())


def _compatible(model: str, address: str, key: str) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415

    return OpenAIChatModel(model, provider=OpenAICompatibleProvider("openai-compatible", base_url=address, api_key=key), profile=_whole())


def _ollama(model: str, address: str, key: str) -> Model:
    from pydantic_ai.models.ollama import OllamaModel  # noqa: PLC0415
    from pydantic_ai.providers.ollama import OllamaProvider  # noqa: PLC0415

    return OllamaModel(model, provider=OllamaProvider(base_url=address, api_key=key), profile=_whole())


def _anthropic(model: str, address: str, key: str) -> Model:
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

    return AnthropicModel(model, provider=AnthropicProvider(base_url=address, api_key=key))


def _whole() -> ModelProfile:
    """A stream that ends without saying why it ends was cut off: the library would call that an answer."""
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415

    return OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True, supports_json_schema_output=True)


PROVIDERS: Final[Mapping[str, Provider]] = {
    "anthropic": Provider(
        address="https://api.anthropic.com",
        address_variable="ANTHROPIC_BASE_URL",
        key_variable="ANTHROPIC_API_KEY",
        key_needed=True,
        make=_anthropic,
    ),
    "openai": Provider(
        address="https://api.openai.com/v1",
        address_variable="OPENAI_BASE_URL",
        key_variable="OPENAI_API_KEY",
        key_needed=True,
        make=_openai,
    ),
    "ollama": Provider(
        address="http://localhost:11434/v1",
        address_variable="OLLAMA_BASE_URL",
        key_variable="OLLAMA_API_KEY",
        key_needed=False,
        make=_ollama,
    ),
    "google": Provider(  # Gemini, as it speaks OpenAI's language: one library less
        address="https://generativelanguage.googleapis.com/v1beta/openai/",
        address_variable="GEMINI_BASE_URL",
        key_variable="GEMINI_API_KEY",
        key_needed=True,
        make=_compatible,
    ),
    "openai-compatible": Provider(
        address="",
        address_variable="OPENAI_BASE_URL",
        key_variable="OPENAI_API_KEY",
        key_needed=False,
        make=_compatible,
    ),
}
