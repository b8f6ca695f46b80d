from __future__ import annotations

import subprocess
import sys

import pytest

from claims import proves
from remit.agent.models import PROVIDERS, resolve
from remit.errors import BadInput, ModelUnset


@proves("agent.model_unset")
def test_without_a_model_it_is_said_what_to_set_and_what_works_without_one() -> None:
    """The error names the variable, plan files and the demo, and ends with exit code 2."""
    with pytest.raises(ModelUnset) as raised:
        resolve("", env={})
    assert (raised.value.code, raised.value.exit_code) == ("model_unset", 2)
    assert all(word in str(raised.value) for word in ("REMIT_MODEL", "plan", "remit demo", "anthropic"))


@pytest.mark.parametrize(
    ("name", "variable"),
    [("openai:gpt-x", "OPENAI_API_KEY"), ("anthropic:claude-x", "ANTHROPIC_API_KEY"), ("google:gemini-x", "GEMINI_API_KEY")],
)
@proves("agent.model_key_missing")
def test_a_missing_key_is_named(name: str, variable: str) -> None:
    """The provider's own variable is named, not a stack trace from its library."""
    with pytest.raises(ModelUnset, match=variable):
        resolve(name, env={})
    assert resolve(name, env={variable: "k"}).model_name == name.partition(":")[2]


@pytest.mark.parametrize("name", ["openia:gpt-x", "gpt-x", "openai:", ":x", "test:x"])
@proves("agent.model_unknown")
def test_an_unknown_provider_is_bad_input_that_lists_the_known_ones(name: str) -> None:
    """Nothing is guessed from a name that merely looks like a model."""
    with pytest.raises(BadInput, match="anthropic:MODEL") as raised:
        resolve(name, env={})
    assert raised.value.exit_code == 2


@proves("agent.model_by_address")
def test_with_an_address_any_name_means_the_model_there() -> None:
    """Names with colons, as local servers have them, are not cut; without an address an openai-compatible model is not usable."""
    here = {"REMIT_BASE_URL": "http://127.0.0.1:8000/v1"}
    assert resolve("qwen3:8b", env=here).model_name == "qwen3:8b"
    assert resolve("", env=here | {"REMIT_MODEL": "ollama:qwen3:8b"}).model_name == "qwen3:8b"
    with pytest.raises(ModelUnset, match="REMIT_BASE_URL"):
        resolve("openai-compatible:x", env={})
    with pytest.raises(BadInput, match="http://"):
        resolve("openai-compatible:x", env={"REMIT_BASE_URL": "localhost:8000"})


@proves("agent.keys_stay_home")
def test_a_providers_key_is_never_sent_to_another_address() -> None:
    """With REMIT_BASE_URL only REMIT_API_KEY travels, whatever else stands in the environment."""
    env = {"REMIT_BASE_URL": "http://127.0.0.1:8000/v1", "OPENAI_API_KEY": "sk-secret", "ANTHROPIC_API_KEY": "sk-secret"}
    for label in PROVIDERS:
        model = resolve(f"{label}:x", env=env)
        assert model.provider is not None
        assert model.provider.client.api_key == "none", label
        mine = resolve(f"{label}:x", env=env | {"REMIT_API_KEY": "mine"})
        assert mine.provider is not None
        assert mine.provider.client.api_key == "mine", label


@proves("agent.import_light")
def test_importing_the_agent_room_brings_in_no_third_party_module() -> None:
    """`import remit.agent` alone loads neither pydantic_ai nor a provider's library."""
    code = "import sys, remit.agent; print([m for m in ('pydantic_ai', 'pydantic', 'openai', 'anthropic', 'httpx2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout.strip() == "[]"
