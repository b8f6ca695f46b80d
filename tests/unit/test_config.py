"""`remit.toml`: what is wrong in it is said by name, and nothing that it says is left out silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims import proves
from remit.config import load
from remit.errors import BadInput

WRONG = [
    ('[sqll.a]\nurl = "x"', "'sqll' is not known here"),
    ("sql = 1", "sql is not a table"),
    ("[sql.a]", "sql.a.url is missing"),
    ('[sql.a]\nurl = "${NO}"', "there is no variable NO"),
    ('[sql.a]\nurl = "x"\nuser = "ann"', "sql.a: 'user' is not known here"),
    ("[http.a]\nbase = 1", "http.a.base is missing or not a text"),
    ('[http.a]\nbase = "x"\nprivate = "yes"', "http.a.private is true or false"),
    ('[http.a]\nbase = "x"\nmanaged = "id"', "http.a.managed is a list of texts"),
    ('[http.a]\nbase = "x"\nopenapi = "shop.yaml"', "http.a.openapi is no absolute path"),
    ('[http.a]\nbase = "x"\nundo.make = "drop"', "http.a.undo.make is not a table"),
    ('[mail.a]\naddress = "a@b"\nsmtp = "x"\nhold = true', "mail.a.hold is a number of seconds"),
    ('[mail.a]\naddress = "a@b"\nsmtp = "x"\nhold = -1', "mail.a.hold is a number of seconds"),
    ('[mcp.a]\ncommand = ["x"]\nurl = "y"', "mcp.a needs a command or a url"),
    ('[mcp.a]\ncommand = ["x"]\nseconds = 0', "mcp.a.seconds is a number of seconds from 1"),
    ('tools = ["mine.py"]', "tools is no list of absolute paths"),
    ("nothing at all", "cannot be read"),
]


@proves("config.wrong_is_said")
@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_is_said_by_name(tmp_path: Path, text: str, said: str) -> None:
    """The file, the table and the key stand in the message, and what to write instead."""
    path = tmp_path / "remit.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as raised:
        load(path, {})
    assert said in raised.value.message
    assert str(path) in raised.value.message
    assert raised.value.fix


@proves("config.wrong_is_said")
def test_what_is_right_is_taken_as_it_stands(tmp_path: Path) -> None:
    """Values, defaults and variables; no file is an empty configuration."""
    path = tmp_path / "remit.toml"
    path.write_text(
        '[mcp.a]\ncommand = ["x", "-y"]\nenv = { T = "${T}" }\nseconds = 5\n[mcp.b]\nurl = "https://b.example"', encoding="utf-8"
    )
    found = load(path, {"T": "secret"}).servers
    assert (found["a"].command, dict(found["a"].env), found["a"].seconds) == (("x", "-y"), {"T": "secret"}, 5)
    assert (found["b"].url, found["b"].seconds, found["b"].trusted) == ("https://b.example", 120, False)
    assert not load(tmp_path / "none.toml", {}).servers
