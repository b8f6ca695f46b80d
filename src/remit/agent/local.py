"""A model file, run inside this process: llama.cpp, spoken to over a socket in a folder that only we may open.

It listens on no port. What is asked of it goes the way of every other endpoint, with the same errors and the same patience, but for one
thing: here nothing is lost on the way, so it may take its time.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import httpx2
from pydantic_ai.exceptions import ModelRequestRejectedError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from remit.agent.asking import HERE
from remit.errors import BadInput, ModelUnset

CONTEXT: Final = 16_384
"""Tokens that a conversation may have, unless REMIT_LOCAL_CONTEXT says otherwise: what a model was trained for may not fit into memory."""
_LONGEST_ANSWER: Final = 4_096
"""Tokens. A small model may not know when to stop."""
_PATIENT: Final = 3_600.0
"""Seconds: on a processor alone, reading a long conversation takes minutes."""
_MAGIC: Final = b"GGUF"
_DIGITS: Final = 9
_LONGEST_SOCKET: Final = 100
"""Bytes that the name of a socket may have, on every system."""


class Local(WrapperModel):
    """Loaded at its first request, and kept until this process ends."""

    def __init__(self, model: Model, file: Path, context: int) -> None:
        super().__init__(model)
        self._file = file
        self._context = context

    async def request(
        self, messages: list[ModelMessage], model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> ModelResponse:
        await asyncio.to_thread(_RUNNING.load, self._file, self._context)
        settings = ModelSettings(
            **{"max_tokens": _LONGEST_ANSWER, **(model_settings or {}), "timeout": _PATIENT, "request_timeout": _PATIENT}
        )
        return await self.wrapped.request(messages, settings, model_request_parameters)


def local(path: str, context: str) -> Model:
    """The model in the file at `path`; loads nothing yet.

    Raises ModelUnset where the extra is missing, BadInput for what is no such file.
    """
    file = Path(os.path.expanduser(path))  # noqa: PTH111 - which fails for the home of nobody
    if find_spec("xllamacpp") is None:
        raise ModelUnset("running a model here needs an extra that is not installed", fix="pip install 'remit[local]'")
    if not _is_model(file):
        raise BadInput(f"{path} is no model file", fix="give a file in the GGUF format: local:/path/to/model.gguf")
    if context and not (context.isdecimal() and len(context) < _DIGITS and int(context)):
        raise BadInput(f"REMIT_LOCAL_CONTEXT is {context[:40]!r}", fix="give a number of tokens, e.g. 16384")
    client = httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=str(_RUNNING.socket(file)), limits=httpx2.Limits(max_keepalive_connections=0))
    )
    provider = OpenAIProvider(base_url=f"{HERE}v1", api_key="none", http_client=client)
    return Local(OpenAIChatModel(file.name, provider=provider), file, int(context or CONTEXT))


def _is_model(file: Path) -> bool:
    try:
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            return opened.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


class _Running:
    """The models of this process, each with its socket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._names: dict[Path, Path] = {}
        self._servers: dict[Path, Any] = {}

    def socket(self, file: Path) -> Path:
        with self._lock:
            if self._folder is None:
                own = tempfile.gettempdir()
                self._folder = Path(tempfile.mkdtemp(prefix="remit-", dir=own if len(os.fsencode(own)) < _LONGEST_SOCKET - 30 else "/tmp"))  # noqa: S108 - a folder of our own in it
                atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
            return self._names.setdefault(file.resolve(), self._folder / f"{len(self._names)}.sock")

    def load(self, file: Path, context: int) -> None:
        """Once. Raises ModelRequestRejectedError, as any endpoint's client does, for a file that cannot be loaded."""
        socket, file = self.socket(file), file.resolve()
        with self._lock:
            if file in self._servers:
                return
            import xllamacpp  # noqa: PLC0415 - a hundred megabytes, for these models only

            params = xllamacpp.CommonParams()
            params.model.path = str(file)
            params.n_ctx = context
            params.hostnames = [str(socket)]
            params.offline = True
            params.ui = False
            params.verbosity = -1
            try:
                self._servers[file] = xllamacpp.Server(params)
            except (RuntimeError, MemoryError, OverflowError) as error:
                raise ModelRequestRejectedError(
                    file.name, "it cannot be loaded: is it whole, of a kind that this llama.cpp knows, and is there memory for it?"
                ) from error


_RUNNING: Final = _Running()
