"""SIGKILL at random moments: afterwards nothing is doubled, nothing lost, nothing misreported, and what nobody can know was asked.

Each trial furnishes a folder, starts a run (or the undo of one), kills it, resumes it with `remit resume`, kills that
too (several times in a row at most), answers the questions as a person who looks would, and lets it end. A judge that
shares no code with remit compares journal and world at every kill and at the end. Prints one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fault_families import FAMILIES, Family
from fault_judge import Judge, Verdict, doubts_asked, read, unsettled
from fault_processes import KILLED, Command, Ended, Kill, call
from fault_worlds import SERVERS, Picture, World

WAITING = 3
_HALF = ": as it was to become"
"""In a question about something of which a part is done."""
_MOST_KILLS = 4
"""Kills in one trial."""
_MOST_STARTS = 40
_OWN_PROCESS = 0.2
"""Share of starts that are a whole `remit` of their own instead of a fork."""
_COUNTED = ("doubled", "lost", "misreported", "in_doubt", "asked", "recognised", "rerun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """What an undisturbed run of a family leaves, and how long it takes: forked, and as a program of its own."""

    wanted: Picture
    forked: float
    own: float


@dataclass(slots=True, kw_only=True)
class Trial:
    """One folder, one run, some kills."""

    family: Family
    folder: Path
    rng: random.Random
    careless: bool = False
    own: float = _OWN_PROCESS
    kills: int = 0
    points: Counter[str] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)
    doubts: set[str] = field(default_factory=set)
    in_flight: int = 0
    world: World = field(init=False)
    taken_over: bool = False
    """A person was asked about something half done: what they do then is theirs, and the run is judged as it stands."""

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True)
        self.world = self.family.world(self.folder)
        self.family.furnish(self.root)
        config = self.folder / "config" / "remit"
        config.mkdir(parents=True)
        (config / "remit.toml").write_text(self.world.furnish(), encoding="utf-8")
        (self.folder / "plan.toml").write_text(self.world.plan(self.family.plan), encoding="utf-8")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox.txt"

    def calm(self) -> float:
        """The whole run without any kill; how long it took without the time that people took."""
        first = self.open()
        ended = self.start(first)
        seconds = ended.seconds
        while ended.code == WAITING or (ended.code == 0 and (self.world.more() or self.open_runs())):
            if ended.code == WAITING:
                self.answer()
            ended = self.start(self.next(first))
        if ended.code != 0:
            raise AssertionError(f"{self.family.name} does not even work undisturbed: {ended}")
        return seconds

    def killed(self, calm: Calm) -> None:
        """Kill, recover, judge."""
        first, wanted = self.open(), calm.wanted
        if self.family.undo:
            wanted = self.world.picture()
            self.calm()
            first = Command(program="remit", argv=("undo", next(line.run for line in read(self.home)), "--yes"))
        most, command, ended = self.rng.randint(1, _MOST_KILLS), first, None
        for _ in range(_MOST_STARTS):
            ended = self.start(command, calm if self.kills < most else None)
            if ended.code == WAITING:
                self.answer(calm)
                if self.taken_over:
                    break
            elif ended.code != KILLED and self.next(first) != first and not (self.world.more() or self.open_runs()):
                break
            command = self.next(first)
        self.judge(wanted, ended.code if ended else -1)

    def start(self, command: Command, calm: Calm | None = None) -> Ended:
        """One call of the program, with `calm` killed if it does not end before; then the judge looks at once."""
        environment = {"REMIT_HOME": str(self.home), "FAULTS_CARELESS": "1" if self.careless else ""}
        environment["XDG_CONFIG_HOME"] = str(self.folder / "config")
        own = self.rng.random() < self.own
        kill = self.kill(calm.own if own else calm.forked) if calm else None
        ended = call(command, folder=self.folder, environment=environment, fork=not own, kill=kill)
        if ended.code == KILLED:
            self.kills += 1
            self.points[kill.point.partition(":")[0] if kill and kill.point else "any moment"] += 1
            lines = read(self.home)
            self.in_flight += len(unsettled(lines))
            self.doubts |= self.world.doubtful(unsettled(lines, *self.family.blind)) if self.family.blind else set()
            Judge(self.family, self.world).look(self.verdict, lines, final=False)
        return ended

    def kill(self, seconds: float) -> Kill:
        """At any moment, or at a crash point."""
        if self.rng.random() < 0.5:
            return Kill(after=self.rng.uniform(0, seconds))
        return Kill(point=f"{self.rng.choice(self.family.points)}:{self.rng.choice((1, 1, 2, 3, 5, 8))}")

    def open(self) -> Command:
        """What a person types first."""
        if self.family.program == "door":
            return Command(program="door", argv=("run", "plan.toml", self.family.level, str(self.root), str(self.outbox)))
        return Command(program="remit", argv=("run", "plan.toml", "--level", self.family.level, "--root", str(self.root)))

    def next(self, first: Command) -> Command:
        """What a person types after a crash: the same again if nothing is known of it, else `remit resume`."""
        kind = "undo" if first.argv[0] == "undo" else "plan"
        if not any(line.kind == "opened" and line.body.get("kind") == kind for line in read(self.home)):
            return first
        if self.family.program == "door":
            return Command(program="door", argv=("resume", str(self.root), str(self.outbox)))
        more = self.world.more() if all(run.startswith("mail-") for run in self.open_runs()) else ()
        return Command(program="remit", argv=more or ("resume",))

    def open_runs(self) -> set[str]:
        """Runs that have no end."""
        lines = read(self.home)
        return {line.run for line in lines if line.kind == "opened"} - {line.run for line in lines if line.kind == "closed"}

    def answer(self, calm: Calm | None = None) -> None:
        """Answer all that is open as a person would who looks; with `calm` this is killed too, now and then."""
        for line in self.start(Command(program="remit", argv=("inbox", "--json"))).out.splitlines():
            question = json.loads(line)
            words: tuple[str, ...] = ("answer", question["id"], "retry")
            if question["kind"] == "approve":
                words = ("approve", question["id"])
            elif question["kind"] == "in_doubt" and _HALF in question["body"] and not self.family.blind:
                self.doubts.add(question["action"])
                self.taken_over = True
                return
            elif question["kind"] == "in_doubt":
                happened = self.world.happened(question["action"], question)
                words = ("answer", question["id"], "happened" if happened else "not_happened")
            argv = (*words, "--as", "ann", "--no-resume")
            self.start(Command(program="remit", argv=argv), calm if self.rng.random() < 0.1 else None)

    def judge(self, wanted: Picture, code: int) -> None:
        """The last word on this trial."""
        lines, judge = read(self.home), Judge(self.family, self.world)
        judge.look(self.verdict, lines, final=not self.taken_over)
        if not self.taken_over:
            judge.end(self.verdict, lines, code=code, wanted=wanted)
        asked = doubts_asked(lines)
        self.verdict.counts["in_doubt"] += len(self.doubts)
        self.verdict.counts["asked"] += len(self.doubts & asked)
        for action in self.doubts - asked:
            self.verdict.found("misreported", f"{action} was in doubt and nobody was asked")


def campaign(families: Sequence[Family], kills: int, seed: int, folder: Path, *, careless: bool = False) -> dict[str, object]:
    """Trials of each family in turn until there were enough kills. Folders of trials that went wrong are kept."""
    rng = random.Random(seed)
    calms = {family.name: _calm(family, folder, rng) for family in families}
    total: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
    points: Counter[str] = Counter()
    by_family = {family.name: Counter({"trials": 0, "kills": 0}) for family in families}
    number = 0
    while total["kills"] < kills:
        family = families[number % len(families)]
        number += 1
        trial = Trial(family=family, folder=folder / str(number), rng=rng, careless=careless)
        trial.killed(calms[family.name])
        counts = trial.verdict.counts + Counter(kills=trial.kills, trials=1, in_flight=trial.in_flight)
        total += counts
        points += trial.points
        by_family[family.name] += counts
        for note in trial.verdict.notes:
            print(f"{family.name}, {trial.folder}: {note}", file=sys.stderr)
        if not trial.verdict.notes:
            shutil.rmtree(trial.folder)
        if number % 10 == 0:
            print(f"{total['kills']} of {kills} kills in {number} trials", file=sys.stderr, flush=True)
    return {**{key: total[key] for key in ("kills", "trials", *_COUNTED, "in_flight")}, "families": by_family, "points": points}


def _calm(family: Family, folder: Path, rng: random.Random) -> Calm:
    seconds = []
    for own in (0.0, 1.0):
        trial = Trial(family=family, folder=folder / f"calm {family.name} {own:g}", rng=rng, own=own)
        seconds.append(trial.calm())
    return Calm(wanted=trial.world.picture(), forked=seconds[0], own=seconds[1])


def _merged(parts: Sequence[dict[str, object]]) -> dict[str, object]:
    """Counts of several workers added up, however deep they stand."""
    merged: dict[str, object] = {}
    for part in parts:
        for key, value in part.items():
            old = merged.get(key)
            if isinstance(value, dict):
                merged[key] = _merged([old, value]) if isinstance(old, dict) else value
            elif isinstance(value, int):
                merged[key] = (old if isinstance(old, int) else 0) + value
    return merged


def _spread(kills: int, seed: int, workers: int, folder: Path, options: Sequence[str]) -> dict[str, object]:
    """Several campaigns side by side, each a process of its own."""
    argv = [sys.executable, __file__, "--workers", "1", "--folder", str(folder), *options]
    shares = [kills // workers + (number < kills % workers) for number in range(workers)]
    jobs = [
        subprocess.Popen([*argv, "--kills", str(share), "--seed", str(seed + number)], stdout=subprocess.PIPE, text=True)
        for number, share in enumerate(shares)
    ]
    outs = [job.communicate()[0] for job in jobs]
    return _merged([json.loads(out.splitlines()[-1]) for out in outs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--family", action="append", choices=[family.name for family in FAMILIES], default=[])
    parser.add_argument("--families", default="all", help="`all`, or names with commas between them")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the trials live; a real disk (default: the system's temporary folder)"
    )
    parser.add_argument(
        "--careless", action="store_true", help="seed a fault that the judge must catch: recovery that runs again what was started"
    )
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="remit-faults-", dir=given.folder))
    began = time.monotonic()
    if given.workers > 1:
        options = [f"--families={given.families}", *(f"--family={name}" for name in given.family)]
        options += ["--careless"] if given.careless else []
        found = _spread(given.kills, given.seed, given.workers, folder, options)
    else:
        chosen = given.family or ([] if given.families == "all" else given.families.split(","))
        families = [family for family in FAMILIES if not chosen or family.name in chosen]
        with SERVERS:
            found = campaign(families, given.kills, given.seed, folder, careless=given.careless)
    bad = any(found[key] for key in ("doubled", "lost", "misreported"))
    if not bad:
        shutil.rmtree(folder)
    print(json.dumps({"benchmark": "faults", **found, "seed": given.seed, "seconds": round(time.monotonic() - began)}))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
