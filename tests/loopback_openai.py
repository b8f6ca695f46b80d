"""An OpenAI-compatible server of our own on loopback: a test scripts what it answers, in order, and reads what it was asked.

Asked at Anthropic's path, it answers a `Reply` in Anthropic's form.

Real sockets, real HTTP, the real client on the other side; only the model is missing. When the script is over it answers 500.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A well-formed answer. Each call is (function name, arguments exactly as text); `ids` default to one id for all, on purpose."""

    text: str | None = None
    calls: Sequence[tuple[str, str]] = ()
    ids: Sequence[str] = ()
    finish: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Added to the message as it is."""


@dataclass(frozen=True, kw_only=True)
class Fail:
    """An HTTP error."""

    status: int
    body: str = '{"error": {"message": "no", "type": "server_error"}}'
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Hang:
    """Reads the request and never answers, until the server is closed."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Promises a body, or streams one, and closes the connection in the middle of it."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Status 200 with this body, whatever it is."""

    body: str


Step = Reply | Fail | Hang | Cut | Raw
Script = Step | Callable[[dict[str, Any]], Step]
"""What is answered, or how that follows from what was asked."""


class Loopback:
    """`with Loopback([Reply(...), Fail(...)]) as server:` listens on `server.address`; `server.asked` holds the request bodies."""

    def __init__(self, script: Sequence[Script]) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str] = []
        self._script = list(script)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def take(self, path: str, key: str, body: dict[str, Any]) -> Step:
        with self._lock:
            self.asked.append(body)
            self.paths.append(path)
            self.keys.append(key)
            said = self._script.pop(0) if self._script else Fail(status=500, body='{"error": {"message": "the script is over"}}')
            return said(body) if callable(said) else said

    def hang(self) -> None:
        self._over.wait(60)


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Bound(_Handler):
        loopback = server

    return Bound


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    loopback: Loopback

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        match self.loopback.take(self.path, self.headers.get("authorization", "") or self.headers.get("x-api-key", ""), body):
            case Reply() as reply if body.get("stream"):
                self._stream([*_chunks(reply, str(body.get("model"))), "[DONE]"])
            case Cut() if body.get("stream"):
                self._stream(_chunks(Reply(text="half of an ans"), str(body.get("model")))[:2])
            case Reply() as reply:
                answer = _message if self.path.endswith("/messages") else _completion
                self._send(200, answer(reply, str(body.get("model"))), {})
            case Fail() as fail:
                self._send(fail.status, fail.body, fail.headers)
            case Raw() as raw:
                self._send(200, raw.body, {})
            case Hang():
                self.loopback.hang()
                self.close_connection = True
            case Cut():
                self._send(200, '{"id": "x", "choi', {"content-length": "100000"})
                self.close_connection = True

    def _stream(self, chunks: Sequence[str]) -> None:
        """Server-sent events, until they are over or the connection ends with them."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(f"data: {chunk}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def _send(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        data = text.encode("utf-8")
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


def _completion(reply: Reply, model: str) -> str:
    calls = [
        {"id": reply.ids[i] if reply.ids else "call_same", "type": "function", "function": {"name": name, "arguments": args}}
        for i, (name, args) in enumerate(reply.calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, **reply.extra}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": reply.finish or ("tool_calls" if calls else "stop")}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1700000000,
            "model": model,
            "choices": [choice],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    )


def _chunks(reply: Reply, model: str) -> list[str]:
    """The same answer in pieces: text by five characters, arguments by three, and how it ended."""
    text = reply.text or ""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[n : n + 5]} for n in range(0, len(text), 5)]
    for i, (name, args) in enumerate(reply.calls):
        call = {"index": i, "id": reply.ids[i] if reply.ids else f"call_{i}", "type": "function"}
        deltas.append({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})
        pieces = [args[n : n + 3] for n in range(0, len(args), 3)]
        deltas += [{"tool_calls": [{"index": i, "function": {"arguments": piece}}]} for piece in pieces]
    about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": model}
    chunks = [{**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    finish = reply.finish or ("tool_calls" if reply.calls else "stop")
    chunks.append({**about, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chunks.append({**about, "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}})
    return [json.dumps(chunk) for chunk in chunks]


def _message(reply: Reply, model: str) -> str:
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    content += [{"type": "tool_use", "id": "toolu_same", "name": name, "input": json.loads(args)} for name, args in reply.calls]
    return json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": "tool_use" if reply.calls else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 7},
        }
    )
