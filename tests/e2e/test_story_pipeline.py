"""The seed's story of a data pipeline: a flawed CSV, a SQLite database; a scripted model behind a real endpoint. End to end."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from files_world import picture
from loopback_openai import Reply
from remit_program import Program, program
from sql_world import Sqlite
from story_model import Body, Model, calls, said, step, together

GOAL = (
    "load orders.csv into the database shop: clean rows into orders, leave the bad ones in rejected.csv, "
    "and write a report of totals per country"
)
SHOP = """
CREATE TABLE orders(row INTEGER PRIMARY KEY, number TEXT NOT NULL, country TEXT NOT NULL, customer TEXT NOT NULL, cents INTEGER NOT NULL);
INSERT INTO orders VALUES (1, 'A-1', 'Österreich', 'Ann', 100), (2, 'A-2', 'Türkiye', 'Çağ', 250);
"""
HEAD = ["number", "country", "customer", "amount"]
COUNTRIES = ("Deutschland", "Österreich", "España", "Türkiye", "日本")
CUSTOMERS = ("Jürgen O'Hara", "Zoe\u0308; Ltd -- x", "李雷", 'the "Ann", shop', "100 % ${HOME} :a ?")
CLEAN = """python3 - <<'END'
import csv, json, re
rows = list(csv.DictReader(open("orders.csv", encoding="utf-8", newline="")))
seen, good, bad = set(), [], []
for row in rows:
    if not re.fullmatch("[0-9]+[.][0-9]{2}", row["amount"]) or not row["country"]:
        bad.append(row)
    elif not once or row["number"] not in seen:
        seen.add(row["number"])
        good.append(row)
with open("rejected.csv", "w", encoding="utf-8", newline="") as out:
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(bad)
cents = [int(row["amount"].replace(".", "")) for row in good]
texts = [[row[name].replace("'", "''") for name in ("number", "country", "customer")] for row in good]
values = ["('" + "', '".join(text) + f"', {n})" for text, n in zip(texts, cents)]
with open("load.sql", "w", encoding="utf-8") as out:
    out.write("INSERT INTO orders(number, country, customer, cents) VALUES\\n" + ",\\n".join(values))
with open("counts.json", "w") as out:
    json.dump({"good": len(good), "cents": sum(cents)}, out)
END"""
TWICE = {"database": "shop", "sql": "SELECT count(*) - count(DISTINCT number) FROM orders"}
LOADED = {"database": "shop", "sql": "SELECT count(*), sum(cents) FROM orders WHERE row > 2"}
TOTALS = {"database": "shop", "sql": "SELECT country, count(*), sum(cents) FROM orders WHERE row > 2 GROUP BY country ORDER BY country"}
ALL, ONCE = (CLEAN.replace("not once", str(not once)) for once in (False, True))
PLAN = [
    step(
        "clean",
        "shell-run",
        {"command": ALL},
        {"at": "exit_code", "equals": 0},
        otherwise=[{"tool": "shell-run", "args": {"command": ONCE}}],
    ),
    step("count", "files-read", {"path": "counts.json"}, {"at": "json.good", "at_least": 100}),
    step("read", "files-read", {"path": "load.sql"}),
    step(
        "load",
        "sql-write",
        {"database": "shop", "table": "orders", "sql": "${read.text}"},
        {"tool": "sql-query", "args": TWICE, "at": "rows.0.0", "equals": 0},
        {"tool": "sql-query", "args": LOADED, "at": "rows.0.0", "equals": "${count.json.good}"},
        {"tool": "sql-query", "args": LOADED, "at": "rows.0.1", "equals": "${count.json.cents}"},
    ),
    step("totals", "sql-query", TOTALS),
    step(
        "report",
        "files-write",
        {"path": "report.txt"},
        {"tool": "files-read", "args": {"path": "report.txt"}, "at": "text", "contains": "${totals.rows.0.0}"},
    ),
]


def load(body: Body) -> Reply:
    """The statement that the model just read."""
    return calls("sql-write", database="shop", table="orders", sql=_seen(body)["text"])


def report(body: Body) -> Reply:
    lines = [f"{country}: {count} orders, {cents} cents" for country, count, cents in _seen(body)["rows"]]
    return calls("files-write", path="report.txt", text="\n".join(lines) + "\n")


def _seen(body: Body) -> dict[str, Any]:
    """What came of the last call."""
    return dict(json.loads(said(body).splitlines()[-1])["result"])


READ = together(calls("files-read", path="counts.json"), calls("files-read", path="load.sql"))
SCRIPT = (
    calls("files-read", path="orders.csv", limit=2000),
    calls("plan", steps=PLAN),
    calls("sql-query", database="shop", sql="SELECT * FROM orders"),
    calls("shell-run", command=ALL),
    READ,
    load,
    calls("sql-query", **LOADED),
    calls("shell-run", command=ONCE),
    READ,
    load,
    calls("sql-query", **TOTALS),
    report,
    Reply(text="All clean rows are in orders, the bad ones in rejected.csv, the totals in report.txt."),
)
FAILED, LOOKED = 6, 7
"""Before which of its answers the model was told that the first load failed, and what was there then."""


@dataclass
class World:
    """A database with two rows, and a file with three hundred good ones, duplicates and bad ones among them."""

    remit: Program
    shop: Sqlite
    good: list[list[str]]
    bad: list[list[str]]

    def load(self) -> tuple[str, str, Model]:
        """The whole run, which asks nobody: its id, what was printed, and the model."""
        with Model(*SCRIPT) as model:
            done = self.remit("run", GOAL, "--level", "consultant", **model.env)
        assert done.code == 0, done.out + done.err
        assert self.remit.json("inbox", "--json") == []
        return str(self.remit.json("runs", "--all", "--json")[0]["run"]), done.out, model

    def rows(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.shop.path)) as connection:
            return list(connection.execute("SELECT * FROM orders ORDER BY row"))

    def wanted(self) -> list[tuple[Any, ...]]:
        """What a person would have loaded."""
        loaded = [(3 + n, *row[:3], round(float(row[3]) * 100)) for n, row in enumerate(self.good)]
        return [(1, "A-1", "Österreich", "Ann", 100), (2, "A-2", "Türkiye", "Çağ", 250), *loaded]


@pytest.fixture
def world(tmp_path: Path) -> World:
    remit, shop = program(tmp_path), Sqlite(tmp_path)
    shop.script(SHOP)
    remit.configure(f'[sql.shop]\nurl = "{shop.url}"\n')
    good = [[f"B-{n}", COUNTRIES[n % 5], CUSTOMERS[n // 5 % 5], f"{n * 37 % 1000}.{n % 100:02}"] for n in range(300)]
    bad = [["C-1", "España", "l", "1O.00"], ["C-2", "", "nobody", "1.00"], ["C-3", "日本", "nothing", ""], ["C-4", "España", "m", "-1.00"]]
    lines = [*good[:100], bad[0], good[7], *good[100:250], *bad[1:3], *good[40:60], *good[250:], bad[3], good[299]]
    with (remit.folder / "orders.csv").open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([HEAD, *lines])
    return World(remit, shop, good, bad)


@proves("story.pipeline")
def test_orders_are_loaded_at_the_second_try_and_taken_back(world: World) -> None:
    """The first load doubles orders: it is taken back before the next. Rows, rejects and totals are exact; undo leaves nothing of them."""
    folder, before, dump = world.remit.folder, picture(world.remit.folder), world.shop.dump()
    run, out, model = world.load()
    assert "rows.0.0 should equal 0, but is 22 (taken back)" in model.told(FAILED)
    assert '"rows":[[0,null]]' in model.told(LOOKED)
    assert [line.partition(":")[0] for line in out.splitlines() if "verified: " in line] == ["  verified"] * len(PLAN)
    assert world.rows() == world.wanted()
    assert list(csv.reader((folder / "rejected.csv").read_text(encoding="utf-8").splitlines())) == [HEAD, *world.bad]
    totals: dict[str, list[int]] = defaultdict(list)
    for row in world.wanted()[2:]:
        totals[row[2]].append(row[4])
    told = [f"{name}: {len(cents)} orders, {sum(cents)} cents" for name, cents in sorted(totals.items())]
    assert (folder / "report.txt").read_text(encoding="utf-8").splitlines() == told
    assert world.remit("undo", run, "--yes").code == 0
    assert world.shop.dump() == dump
    assert picture(folder) == before


@proves("story.pipeline")
def test_a_row_that_somebody_changed_since_is_theirs(world: World) -> None:
    """Undo takes back every other row and file, names theirs as a conflict, and leaves what they wrote."""
    before = picture(world.remit.folder)
    run, _, _ = world.load()
    world.shop.script(
        "UPDATE orders SET cents = 1 WHERE row = 9; DELETE FROM orders WHERE row = 10; INSERT INTO orders VALUES (999, '', '', '', 0)"
    )
    assert "cents changed since" in world.remit("undo", run).out
    undone = world.remit("undo", run, "--yes")
    assert undone.code == 5, undone.out + undone.err
    assert [line for line in undone.out.splitlines() if "kept a later change" in line and "orders row=9" in line]
    assert world.rows() == [*world.wanted()[:2], (*world.wanted()[8][:4], 1), (999, "", "", "", 0)]
    assert picture(world.remit.folder) == before
