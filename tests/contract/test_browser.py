"""A real Chromium on pages of our own: what is read, what is held back, what is sent once it was shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import browser_world
from browser_world import NEEDS, Shop, browsers, shop
from claims import proves
from remit.domain.action import Effect
from remit.domain.values import ActionId, JsonValue
from remit.errors import ArgsInvalid, BadInput, Conflict, RemitError, ToolFailed, ToolUncertain
from remit.ports import Call, Happened, Tool
from remit.testing import Scenario, check_tool
from remit.tools.browser.egress import egress
from tool_calls import begun, done, read

FILL: list[JsonValue] = [{"fill": "Name", "with": "Ann"}, {"fill": "seat", "with": "Aisle"}, {"fill": "Meal", "with": "true"}]

pytestmark = NEEDS


@pytest.fixture
def site() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def tools(site: Shop, tmp_path: Path) -> dict[str, Tool]:
    return browser_world.tools(site, tmp_path)


def order(site: Shop) -> dict[str, JsonValue]:
    return {"url": f"{site.base}/order", "steps": FILL, "click": "Order"}


@proves("browser.reads")
def test_a_page_is_read_as_a_person_sees_it(site: Shop, tools: dict[str, Tool]) -> None:
    """Text, fields by their labels with what was filled in, buttons, links, a picture; what clicking shows, too."""
    steps: list[JsonValue] = [*FILL, {"fill": "Secret", "with": "hunter2"}, {"click": "Show"}]
    found = read(tools["browser.open"], {"url": f"{site.base}/order", "steps": steps})
    assert (found["title"], found["url"]) == ("shown", f"{site.base}/order")
    assert "Seats" in found["text"]
    fields = {one["field"]: one["value"] for one in found["fields"]}
    assert (fields["Name"], fields["Seat"], fields["Meal"], fields["Secret"]) == ("Ann", "a", "true", "(hidden)")
    assert found["buttons"] == ["Order", "Show"]
    assert {"text": "More", "url": f"{site.base}/more"} in found["links"]
    assert Path(found["picture"]).read_bytes().startswith(b"\x89PNG")
    assert read(tools["browser.open"], {"url": f"{site.base}/order", "steps": [{"click": "More"}]})["title"] == "/more"
    assert (found["held"], found["refused"], site.changes) == ([], [], [])


@proves("browser.holds")
def test_nothing_that_may_change_something_leaves_a_page(site: Shop, tools: dict[str, Tool]) -> None:
    """Forms that send themselves, beacons, pings, workers, sockets, frames, windows: none arrives, and what was held is told."""
    found = read(tools["browser.open"], {"url": f"{site.base}/evil", "steps": [{"click": "Show more"}, {"click": "Next"}]})
    assert site.changes == []
    assert found["title"] == "/ok"
    held = " ".join(found["held"])
    for what in ("/fetch", "/beacon", "/xhr", "/auto", "/clicked", "/inner/frame", "/g", "socket"):
        assert what in held
    assert not any("worker" in path or "nested" in path for _, path in site.asked)


@proves("browser.sends")
def test_what_is_sent_is_what_was_shown(site: Shop, tools: dict[str, Tool]) -> None:
    """Looking sends nothing; what would go is shown with a picture; it goes once, though its token is another; then the page is told."""
    tool = tools["browser.submit"]
    shown = asyncio.run(tool.preview(Call(action=ActionId("r/a"), args=order(site))))
    assert site.changes == []
    for line in (f"POST {site.base}/order", "  name: Ann", "  seat: a", "  meal: on", "  token: (hidden)", "  price: 10", "before.png"):
        assert line in shown.text
    again = asyncio.run(tool.preview(Call(action=ActionId("r/a"), args=order(site))))
    assert again.binding == shown.binding
    _, result = done(tool, order(site))
    assert site.changes == [("POST", "/order")]
    assert {name: site.orders[0][name] for name in ("name", "seat", "meal")} == {"name": "Ann", "seat": "a", "meal": "on"}
    assert result["sent"] == [{"method": "POST", "url": f"{site.base}/order", "status": 303}]
    assert "1 orders" in result["text"]
    assert all(Path(result[when]).read_bytes().startswith(b"\x89PNG") for when in ("before", "picture"))
    assert tool.effect(order(site)) is Effect.IRREVERSIBLE


OTHERWISE = (
    "form.action = '/other'",
    "form.onsubmit = () => { form.elements.name.value = 'Eve' }",
    "form.append(Object.assign(document.createElement('input'), {name: 'more', value: '9'}))",
    "form.onsubmit = e => { e.preventDefault(); fetch('/order', {method: 'POST', body: 'name=Eve'}) }",
)


@proves("browser.sends")
@pytest.mark.parametrize("script", OTHERWISE)
def test_a_page_that_sends_something_else_by_then_sends_nothing(site: Shop, tools: dict[str, Tool], script: str) -> None:
    """Another address, another value, one more field, a script instead: a conflict, and nothing arrived."""
    call = begun(tools["browser.submit"], order(site))
    site.extra = f"<script>const form = document.querySelector('form'); {script}</script>"
    with pytest.raises(Conflict, match="something else"):
        asyncio.run(tools["browser.submit"].run(call))
    assert (site.changes, site.orders) == ([], [])
    assert asyncio.run(tools["browser.submit"].probe(call)).happened is Happened.NO


@proves("browser.sends")
def test_a_hidden_amount_is_no_token(site: Shop, tools: dict[str, Tool]) -> None:
    """Long values that a page hides may be others by then, short ones may not; the cookie goes along."""
    call = begun(tools["browser.submit"], order(site))
    site.price = 1000
    with pytest.raises(Conflict, match="something else"):
        asyncio.run(tools["browser.submit"].run(call))
    site.price = 10
    asyncio.run(tools["browser.submit"].run(call))
    assert (site.changes, site.cookies[-1].startswith("seen=")) == ([("POST", "/order")], True)


CHANGED = (
    ("'application/json; boundary=zz'", "{}", "{'amount':10}", "{'amount':1000}"),
    ("'multipart/form-data; boundary=zz'", "{}", "--zz amount=10", "--zz amount=1000"),
    ("'text/plain'", "{'x-amount': '10'}", "same", "same"),
    ("'text/plain'", "{}", "\\xff", "\\xfe"),
)


@proves("browser.sends")
@pytest.mark.parametrize(("kind", "headers", "before", "after"), CHANGED)
def test_a_script_that_sends_otherwise_by_then_sends_nothing(
    site: Shop, tools: dict[str, Tool], kind: str, headers: str, before: str, after: str
) -> None:
    """A type that hides a part of the body, a header of its own, a single byte: all of it has to be the same."""

    def page(body: str, more: str) -> None:
        sends = f"fetch('/order', {{method: 'PUT', headers: {{'content-type': {kind}, ...{more}}}, body: \"{body}\"}})"
        site.extra = f"<button onclick='send()'>Send</button><script>const send = () => {sends}</script>"

    page(before, headers)
    call = begun(tools["browser.submit"], {"url": f"{site.base}/order", "click": "Send"})
    page(after, headers.replace("10", "1000"))
    with pytest.raises(Conflict, match="something else"):
        asyncio.run(tools["browser.submit"].run(call))
    assert site.changes == []


@proves("browser.sends")
def test_a_field_that_is_seen_is_not_hidden_by_its_name(site: Shop, tools: dict[str, Tool]) -> None:
    """Another form with a hidden field of that name takes nothing away from what is shown."""
    site.extra = "<form><input type=hidden name=name></form>"
    steps: list[JsonValue] = [{"fill": "Name", "with": "Ann-with-a-long-name"}]
    shown = asyncio.run(tools["browser.submit"].preview(Call(action=ActionId("r/a"), args={**order(site), "steps": steps})))
    assert "  name: Ann-with-a-long-name" in shown.text


@proves("browser.sends")
def test_what_is_sent_is_not_sent_on(site: Shop, tools: dict[str, Tool]) -> None:
    """A PUT that is redirected would be sent again, to somewhere that nobody saw."""
    site.extra = "<button onclick=\"fetch('/order', {method: 'PUT', body: 'x'})\">Send</button>"
    call = begun(tools["browser.submit"], {"url": f"{site.base}/order", "click": "Send"})
    site.trouble = "302"
    with pytest.raises(ToolUncertain, match="302 to /elsewhere"):
        asyncio.run(tools["browser.submit"].run(call))
    assert site.changes == [("PUT", "/order")]


@proves("browser.holds")
def test_the_way_out_passes_one_plain_request_of_a_connection(site: Shop) -> None:
    """Also where a server does not let go of it: what comes after the first is not looked at, so it goes nowhere."""
    site.trouble = "keeps"

    async def talk() -> bytes:
        async with egress(lambda _: True) as way:
            reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
            get = f"GET {site.base}/ok HTTP/1.1\r\nhost: x\r\n\r\n".encode()
            writer.write(get + f"POST {site.base}/later HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx".encode())
            answer = await reader.readuntil(b"a page")
            writer.write(b"POST /later HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx")
            await asyncio.sleep(0.3)
            writer.close()
            return answer

    assert b"connection: close" in asyncio.run(talk())
    assert site.changes == []


@proves("browser.sends")
def test_what_comes_on_top_is_held_back(site: Shop, tools: dict[str, Tool]) -> None:
    """A page that sends something more once it may send goes on without that, and it is told."""
    call = begun(tools["browser.submit"], order(site))
    site.extra = "<script>document.querySelector('form').onsubmit = () => navigator.sendBeacon('/more', 'x')</script>"
    result: Any = asyncio.run(tools["browser.submit"].run(call))
    assert site.changes == [("POST", "/order")]
    assert f"POST {site.base}/more" in result["held"]


@proves("browser.doubt")
@pytest.mark.parametrize(("trouble", "error"), [("close", ToolUncertain), ("500", ToolUncertain), ("422", ToolFailed), ("307", ToolFailed)])
def test_how_it_ends_is_said_right(site: Shop, tools: dict[str, Tool], trouble: str, error: type[RemitError]) -> None:
    """No answer or trouble over there is in doubt, and then only a person can tell; a refusal is a failure."""
    call = begun(tools["browser.submit"], order(site))
    assert asyncio.run(tools["browser.submit"].probe(call)).happened is Happened.NO
    site.trouble = trouble
    with pytest.raises(error):
        asyncio.run(tools["browser.submit"].run(call))
    assert len(site.changes) == 1
    found = asyncio.run(tools["browser.submit"].probe(call))
    assert (found.happened, found.again) == (Happened.UNKNOWN, False)


@proves("browser.doubt")
def test_a_late_answer_is_waited_for(site: Shop, tools: dict[str, Tool]) -> None:
    """Later than a click may take: it is sent, not failed."""
    call = begun(tools["browser.submit"], order(site))
    site.trouble = "late"
    result: Any = asyncio.run(tools["browser.submit"].run(call))
    assert ([one["status"] for one in result["sent"]], len(site.orders)) == ([303], 1)


def test_what_the_person_declared_counts_for_their_site_only(site: Shop, tmp_path: Path) -> None:
    """A form that is declared pure or compensable; sending to somebody else is refused; words that are none are, too."""
    tools = browser_world.tools(site, tmp_path, submits={"/order": "compensable", "/order/search": "pure"})
    tool = tools["browser.submit"]
    assert tool.effect(order(site)) is Effect.COMPENSABLE
    assert tool.effect({**order(site), "url": f"{site.base}/order/search"}) is Effect.PURE
    assert tool.effect({**order(site), "url": f"{site.base}/other"}) is Effect.IRREVERSIBLE
    assert tool.effect({**order(site), "url": "https://example.org/order"}) is Effect.IRREVERSIBLE
    site.extra = "<script>document.querySelector('form').action = 'http://127.0.0.1:1/order'</script>"
    with pytest.raises(ToolFailed, match="another site"):
        begun(tool, order(site))
    with pytest.raises(BadInput, match="no effect"):
        browser_world.tools(site, tmp_path, submits={"/": "reversible"})


@proves("browser.egress")
def test_private_addresses_are_out_of_reach(site: Shop, tools: dict[str, Tool], tmp_path: Path) -> None:
    """Neither by their name, a redirect, a script nor a picture of a page; the named site alone is let through."""
    with shop() as secret:
        for where in (secret.base, f"http://localhost:{secret.port}", f"http://[::1]:{secret.port}", "http://169.254.169.254/latest"):
            with pytest.raises(ToolFailed, match="public internet"):
                read(tools["browser.open"], {"url": where})
        site.elsewhere = f"{secret.base}/away"
        with pytest.raises(ToolFailed):
            read(tools["browser.open"], {"url": f"{site.base}/away"})
        fetch = f"<script>fetch('{secret.base}/fetch', {{mode: 'no-cors'}})</script>"
        site.extra = f"<img src={secret.base}/img>{fetch}<iframe src={secret.base}></iframe>"
        found = read(tools["browser.open"], {"url": f"{site.base}/order"})
        assert any("public internet" in line for line in found["refused"])
        with pytest.raises(ToolFailed):
            done(tools["browser.download"], {"url": f"{secret.base}/file.bin", "path": "x"})
        site.elsewhere = f"{secret.base}/file.bin"
        with pytest.raises(ToolFailed):
            done(tools["browser.download"], {"url": f"{site.base}/away", "path": "x"})
        assert secret.asked == []
    assert not (tmp_path / "root" / "x").exists()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "chrome://version", "javascript:1", "data:text/html,x", "about:blank", "http://u:p@x/"]
)
def test_only_the_web_is_opened(tools: dict[str, Tool], url: str) -> None:
    """Everything else is refused before a browser starts."""
    for name, more in (("browser.open", {}), ("browser.submit", {"click": "x"}), ("browser.download", {"path": "x"})):
        with pytest.raises(ArgsInvalid):
            begun(tools[name], {"url": url, **more})


@proves("browser.download")
@pytest.mark.parametrize("click", ["", "Get it"])
def test_a_download_keeps_its_promises(site: Shop, tmp_path: Path, click: str) -> None:
    """By its address or a click: seen before, put in place, undone; somebody's version stays; kills are settled."""
    tools = browser_world.tools(site, tmp_path)
    place = tmp_path / "root" / "got.bin"
    args: Mapping[str, JsonValue] = (
        {"url": f"{site.base}/files", "click": click, "path": "got.bin"} if click else {"url": f"{site.base}/file.bin", "path": "got.bin"}
    )

    def reset() -> None:
        place.unlink(missing_ok=True)

    def meddle() -> Callable[[], bool]:
        place.write_bytes(b"theirs")
        return lambda: place.read_bytes() == b"theirs"

    def look() -> object:
        return sorted((path.name, path.read_bytes()) for path in (tmp_path / "root").iterdir())

    _, result = done(tools["browser.download"], args)
    assert place.read_bytes() == b"\x00file"
    assert result["count"] == 1
    if not click:  # each kill is a visit of its own
        scenario = Scenario(tools=tools, tool="browser.download", args=args, reset=reset, look=look, meddle=meddle)
        assert check_tool(scenario) == []


@proves("browser.reads")
def test_a_profile_of_its_own_is_kept(site: Shop, tools: dict[str, Tool], tmp_path: Path) -> None:
    """Cookies of one visit are there in the next, in a file that only this user reads; a damaged one is begun anew."""
    profile = tmp_path / "browser" / "profile.json"
    assert "cookie none" in read(tools["browser.open"], {"url": f"{site.base}/orders"})["text"]
    read(tools["browser.open"], {"url": f"{site.base}/order"})
    assert "cookie seen=1" in read(tools["browser.open"], {"url": f"{site.base}/orders"})["text"]
    assert profile.stat().st_mode & 0o777 == 0o600
    profile.write_text("{", encoding="utf-8")
    assert "cookie none" in read(tools["browser.open"], {"url": f"{site.base}/orders"})["text"]


def test_what_is_not_there_is_said(site: Shop, tools: dict[str, Tool]) -> None:
    """A field, a button, a page; a file field; a click that sends nothing."""
    page = f"{site.base}/order"
    for steps, error, match in (
        ([{"fill": "Nam", "with": "x"}], ArgsInvalid, "'Name'"),
        ([{"click": "Buy"}], ArgsInvalid, "'Order'"),
        ([{"fill": "Seat", "with": "Roof"}], ToolFailed, "did not work"),
        ([{"fill": "Paper", "with": "/etc/passwd"}], ToolFailed, "uploads none"),
    ):
        with pytest.raises(error, match=match):
            read(tools["browser.open"], {"url": page, "steps": steps})
    with pytest.raises(ToolFailed, match="did not open"):
        read(tools["browser.open"], {"url": f"{site.base}/shut"})
    with pytest.raises(ToolFailed, match="sends nothing"):
        begun(tools["browser.submit"], {"url": page, "click": "Show"})
    site.extra = "<button>Order</button>"
    with pytest.raises(ArgsInvalid, match="2 times"):
        begun(tools["browser.submit"], {"url": page, "click": "Order"})


def test_a_visit_that_is_cancelled_leaves_no_browser(
    site: Shop, tools: dict[str, Tool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program ends with the visit."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    async def cancelled() -> None:
        call = Call(action=ActionId("r/a"), args={"url": f"{site.base}/slow"})
        visiting = asyncio.ensure_future(tools["browser.open"].run(call))
        async with asyncio.timeout(60):
            while not site.asked:
                await asyncio.sleep(0.05)
        assert browsers(tmp_path)
        visiting.cancel()
        await asyncio.gather(visiting, return_exceptions=True)

    asyncio.run(cancelled())
    until = time.monotonic() + 20
    while browsers(tmp_path) and time.monotonic() < until:
        asyncio.run(asyncio.sleep(0.1))
    assert browsers(tmp_path) == set()


def test_replaying_a_call_keeps_what_was_captured(site: Shop, tools: dict[str, Tool]) -> None:
    """A second attempt under the same id after a crash before anything went is the same call."""
    call = begun(tools["browser.submit"], order(site))
    asyncio.run(tools["browser.submit"].run(replace(call, again=True)))
    assert len(site.orders) == 1
