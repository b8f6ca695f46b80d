"""Where requests go, what is known when they fail, and that nothing is sent twice."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims import proves
from http_world import Server, serving
from remit.config import Service
from remit.domain.values import ActionId, JsonValue
from remit.errors import ArgsInvalid, ToolFailed, ToolUncertain
from remit.ports import Call, Happened, Tool
from remit.testing import MemoryStore
from remit.tools.http.addresses import addresses, is_public, read_url
from remit.tools.http.client import Wanted, ask
from remit.tools.http.tools import http_tools


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def tools(server: Server, **more: Any) -> dict[str, Tool]:
    services = {"shop": Service(base=f"{server.base}/v1", headers={"Authorization": "Bearer s3cret"}, **{"private": True, **more})}
    return {tool.spec.name: tool for tool in http_tools(services, MemoryStore())}


def get(tool: Tool, **args: JsonValue) -> Any:
    return asyncio.run(tool.run(Call(action=ActionId("r/a"), args=args)))


STRANGE = [
    "file:///etc/passwd", "ftp://example.org/", "gopher://x", "//example.org/", "example.org", "http://", "http:///x", "https://:80/",
    "http://user@example.org/", "http://user:pass@example.org/", "http://example.org@127.0.0.1/", "http://exa mple.org/",
    "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://1.2.3.4.5/",
    "http://127.0.0.1\\@example.org/", "http://example.org\t.evil/", "http://ex\u00e4mple.org/", "http://\u2460\u2466.org/",
    "http://[::1", "http://[fe80::1%25eth0]/", "http://[v1.x]/", "http://example.org:99999/", "http://example.org:x/", "http://1.1.1/",
    "javascript:alert(1)", "http://a..b/", "http://-a.org/", "http://example.org/\r\nX: y", "http://[::ffff:127.0.0.1", "http://%31%32%37.1/",
]  # fmt: skip


@proves("http.urls_are_plain")
@pytest.mark.parametrize("text", STRANGE)
def test_a_url_that_readers_differ_on_is_refused(text: str) -> None:
    """Other schemes, users in URLs, numbers in odd forms, letters that look like others: said, and nowhere asked."""
    with pytest.raises(ArgsInvalid):
        read_url(text)


PRIVATE = [
    "http://127.0.0.1/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://169.254.169.254/", "http://0.0.0.0/",
    "http://100.64.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://192.0.0.1/", "http://198.18.0.1/", "http://240.0.0.1/",
    "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    "http://[fe80::1]/", "http://[fc00::1]/", "http://[fec0::1]/", "http://[ff02::1]/", "http://[2001::1]/", "http://[2001:db8::1]/",
    "http://localhost/", "http://localhost./", "http://LOCALHOST:22/",
]  # fmt: skip


@proves("http.no_private_address")
@pytest.mark.parametrize("text", PRIVATE)
async def test_no_form_of_a_private_address_is_asked(text: str, anyio_backend: str) -> None:
    """Loopback, private, link-local, metadata, multicast, reserved; in IPv6 clothes; by name."""
    with pytest.raises(ToolFailed, match="no address of the public internet"):
        await addresses(read_url(text), private=False)


@proves("http.urls_are_plain")
@given(
    st.text(alphabet="0123456789abcdefx.:[]/@%-\\# ?", max_size=24).map(lambda rest: f"http://{rest}")
    | st.ip_addresses().map(lambda a: f"http://[{a}]/" if a.version == 6 else f"http://{a}/")
    | st.lists(st.sampled_from(["0x7f", "127", "0177", "1", "0", "999", "2130706433"]), min_size=1, max_size=5).map(
        lambda p: f"http://{'.'.join(p)}/"
    )
)
def test_every_url_is_refused_or_leads_where_every_reader_thinks(text: str) -> None:
    """The library that sends it reads the same host, and no resolver takes the host for a number in an odd form."""
    try:
        place = read_url(text)
    except ArgsInvalid:
        return
    assert httpx2.URL(place.url).host == place.host
    try:
        address = ipaddress.ip_address(place.host)
    except ValueError:
        with pytest.raises(OSError, match="illegal IP"):
            socket.inet_aton(place.host)
        return
    if address.version == 4:
        assert socket.inet_aton(place.host) == address.packed
    assert is_public(address) <= address.is_global


class Counting(asyncio.SelectorEventLoop):
    """A name server that says something else each time it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = iter(["127.0.0.1", "127.0.0.2", "127.0.0.3"])

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        """Only names are looked up here; an address is one."""
        known = host if host[0].isdigit() else next(self.answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known, port))]


@proves("http.no_rebinding")
def test_the_address_that_was_looked_at_is_the_one_that_is_asked(server: Server) -> None:
    """A name that leads elsewhere the second time is not asked for a second time; the server sees the name it was asked by."""
    place = read_url(f"http://shop.example:{server.port}/x")
    loop = Counting()
    try:
        answer = loop.run_until_complete(ask(Wanted(method="GET", place=place, headers={}, private=True)))
    finally:
        loop.close()
    assert answer.status == 200
    assert next(loop.answers) == "127.0.0.2"
    assert server.asked[0][2]["host"] == f"shop.example:{server.port}"


@proves("http.no_private_address")
def test_a_redirect_is_looked_at_like_any_other_url(server: Server) -> None:
    """A service of one's own may redirect within itself; to any other private place it may not, and its secrets stay with it."""
    server.elsewhere = f"{server.base}/there"
    within = asyncio.run(ask(Wanted(method="GET", place=read_url(f"{server.base}/away"), headers={"authorization": "x"}, private=True)))
    assert (within.status, server.asked[-1][2]["authorization"]) == (200, "x")
    for elsewhere in ("http://127.0.0.2:1/", "file:///etc/passwd", "http://169.254.169.254/latest", "http://localhost:1/"):
        server.elsewhere = elsewhere
        with pytest.raises((ToolFailed, ArgsInvalid)):
            asyncio.run(ask(Wanted(method="GET", place=read_url(f"{server.base}/away"), headers={"authorization": "x"}, private=True)))
    server.elsewhere = "/away"
    with pytest.raises(ToolFailed, match="redirects"):
        asyncio.run(ask(Wanted(method="GET", place=read_url(f"{server.base}/away"), headers={}, private=True)))


@proves("http.answers_are_bounded")
def test_answers_are_text_or_base64_and_cut_where_they_are_too_long(server: Server) -> None:
    """A small part of a large answer is read, and the rest is said to be there."""
    tool = {tool.spec.name: tool for tool in http_tools({"top": Service(base=server.base, private=True)}, MemoryStore())}["http.get"]
    assert get(tool, service="top", path="x") == {
        "status": 200,
        "url": f"{server.base}/x",
        "headers": {"content-type": "application/json"},
        "cut": False,
        "text": '{"orders": 0}',
    }
    big = get(tool, service="top", path="big", limit=1000)
    assert (len(big["text"]), big["cut"]) == (1000, True)
    assert get(tool, service="top", path="bytes")["base64"] == "/wA="
    assert get(tool, service="top", path="missing")["status"] == 404


@proves("http.failures_are_told_apart")
@pytest.mark.parametrize("path", ["half", "rubbish"])
def test_half_an_answer_and_rubbish_are_failures_of_a_read(server: Server, path: str) -> None:
    """A read may simply be tried again."""
    tool = {tool.spec.name: tool for tool in http_tools({"top": Service(base=server.base, private=True)}, MemoryStore())}["http.get"]
    with pytest.raises(ToolFailed):
        get(tool, service="top", path=path)


@proves("http.failures_are_told_apart")
def test_what_was_not_sent_is_a_failure_and_what_was_not_answered_is_in_doubt(server: Server) -> None:
    """Connection refused and a server without TLS: surely not sent. No answer, or 500: nobody knows. 422: refused."""
    send = tools(server)["http.send"]
    call = Call(action=ActionId("r/a"), args={"service": "shop", "method": "POST", "path": "orders", "body": {"seat": "12A"}})
    for trouble, kind in (("close", ToolUncertain), ("500", ToolUncertain), ("refuse", ToolFailed)):
        server.trouble = [trouble]
        with pytest.raises(kind) as caught:
            asyncio.run(send.run(call))
        assert isinstance(caught.value, ToolUncertain) == (kind is ToolUncertain)
    assert len(server.orders) == 2
    for base in ("http://127.0.0.1:1", server.base.replace("http:", "https:")):
        deaf = {tool.spec.name: tool for tool in http_tools({"shop": Service(base=base, private=True)}, MemoryStore())}["http.send"]
        with pytest.raises(ToolFailed, match="was not reached"):
            asyncio.run(deaf.run(call))


@proves("http.once_by_key")
def test_a_key_makes_a_request_one_request(server: Server) -> None:
    """The action's id is the key; with one the tool may be run again, without one nobody can tell."""
    call = Call(action=ActionId("r/a"), args={"service": "shop", "method": "POST", "path": "orders", "body": {"seat": "12A"}})
    keyed = tools(server, idempotency="Idempotency-Key")["http.send"]
    for _ in range(3):
        assert '"order": 1' in str(asyncio.run(keyed.run(call)))
    assert server.orders == [{"seat": "12A"}]
    assert {request[2]["idempotency-key"] for request in server.asked} == {"r/a"}
    probed = asyncio.run(keyed.probe(call))
    assert (probed.happened, probed.again) == (Happened.NO, True)
    assert asyncio.run(tools(server)["http.send"].probe(call)).happened is Happened.UNKNOWN


@proves("http.secrets_stay")
def test_a_services_headers_go_to_it_and_are_shown_to_nobody(server: Server) -> None:
    """Neither preview, title, result nor what policy sees has them; a path cannot lead out of the service."""
    made = tools(server)
    args: dict[str, JsonValue] = {"service": "shop", "method": "POST", "path": "orders", "body": {"a": 1}}
    call = Call(action=ActionId("r/a"), args=args)
    seen = [asyncio.run(made["http.send"].preview(call)).text, made["http.send"].title(args), str(made["http.send"].visible(args))]
    seen.append(str(asyncio.run(made["http.send"].run(call))))
    assert server.asked[0][2]["authorization"] == "Bearer s3cret"
    assert "s3cret" not in "".join(seen)
    for path in ("../admin", "//evil.example/x", "http://evil.example/", "/../../x", "..%2f..", "\\..\\x"):
        try:
            assert made["http.send"].targets({**args, "path": path})[0].startswith(f"{server.base}/v1/")
        except ArgsInvalid:
            continue
