"""Bounded, honest, printable: what a command printed."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims import proves
from remit.tools.shell.output import Bounded, readable


def test_short_text_is_returned_as_it_is() -> None:
    """Nothing is cut, escaped or flagged while the output fits."""
    bounded = Bounded(100)
    for part in (b"gr\xc3", b"\xbc\xc3\x9fe\n", b"\x1b[1m\t\r\n"):
        bounded.feed(part)
    assert bounded.output().text == "grüße\n\x1b[1m\t\r\n"
    assert bounded.output().to_json() == "grüße\n\x1b[1m\t\r\n"


@given(parts=st.lists(st.binary(max_size=40)), limit=st.integers(min_value=8, max_value=64))
def test_every_byte_is_kept_or_counted(parts: list[bytes], limit: int) -> None:
    """Head and tail are the stream's own ends, and the bytes missing between them are said exactly."""
    bounded = Bounded(limit)
    for part in parts:
        bounded.feed(part)
    data, output = b"".join(parts), bounded.output()
    if len(data) <= limit // 2 * 2:
        assert output == readable(data)
        return
    head, _, rest = output.text.partition(f"\n[… {output.cut} bytes cut …]\n")
    kept = len(data) - output.cut
    assert 0 < kept <= limit
    sizes = [n for n in range(kept + 1) if readable(data[:n], binary=output.binary).text == head]
    assert any(readable(data[len(data) - (kept - n) :] if kept > n else b"", binary=output.binary).text == rest for n in sizes)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_cut_never_splits_a_character(width: int) -> None:
    """Text of many-byte characters stays text when it is cut, wherever the limit falls."""
    character = {1: "a", 2: "ü", 3: "€", 4: "🜁"}[width]
    for limit in range(16, 33):
        bounded = Bounded(limit)
        bounded.feed((character * 100).encode())
        output = bounded.output()
        assert not output.binary
        assert set(output.text.split("\n[…")[0]) == {character}
        assert len(output.text.encode()) <= limit + 40


def test_binary_output_is_flagged_and_every_byte_can_be_told() -> None:
    """What is not text is escaped without loss: the escape's own sign is doubled."""
    output = readable(b"a\\\xff\x00\x1b\n")
    assert output.binary
    assert output.text == "a\\\\\\xff\\x00\\x1b\n"
    assert output.to_json() == {"text": output.text, "bytes_cut": 0, "binary": True}


@proves("shell.output_bounded")
def test_a_hundred_megabytes_leave_memory_flat() -> None:
    """Memory depends on the limit, never on how much a command prints."""
    bounded, chunk = Bounded(32 * 1024), b"x" * 65536
    tracemalloc.start()
    for _ in range(1600):
        bounded.feed(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert bounded.output().cut == 1600 * 65536 - 32 * 1024
