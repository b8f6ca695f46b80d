"""The shell tool: what was seen is what is committed, nothing of anybody else's is lost, and undo is exact."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from claims import proves
from files_world import Did
from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, Conflict, OutsideRoots, ToolFailed, ToolUncertain
from remit.ports import Call, Happened, Preview
from remit.tools.shell.plain import ShellPlain
from remit.tools.shell.sandbox import Missing
from remit.tools.shell.scratch import layers, sweep
from shell_world import ShellWorld, held, hold, picture, run_now


@pytest.fixture
def world(tmp_path: Path) -> ShellWorld:
    return ShellWorld(tmp_path)


def result(did: Did) -> dict[str, JsonValue]:
    assert isinstance(did.result, dict)
    return did.result


@proves("shell.commit_is_what_was_seen")
def test_a_command_is_previewed_without_effect_then_committed_as_seen(world: ShellWorld) -> None:
    """The preview has command, exit code, output and diff; the commit does not run the command again."""
    world.fill("echo old >a")
    tool, call = world.tools["shell.run"], world.call({"command": "date +%s%N >stamp; echo new >a; echo said; exit 3"})
    preview = run_now(tool.preview(call))
    assert (world.root / "a").read_text(encoding="utf-8") == "old\n"
    assert not (world.root / "stamp").exists()
    for part in ("date +%s%N >stamp", "exit code 3", "said", "-old", "+new", "stamp"):
        assert part in preview.text
    captured = run_now(tool.capture(replace(call, staged=preview.staged)))
    did = world.run("shell.run", replace(call, captured=captured.data))
    assert (world.root / "stamp").read_text(encoding="utf-8").strip() in preview.text
    assert {key: result(did)[key] for key in ("exit_code", "stdout", "stderr", "count")} == {
        "exit_code": 3,
        "stdout": "said\n",
        "stderr": "",
        "count": 2,
    }
    assert world.leftovers() == []


def test_without_a_preview_the_command_runs_at_capture(world: ShellWorld) -> None:
    """What may be done alone runs once, and its pre-images are known before its effect."""
    tool, call = world.tools["shell.run"], world.call({"command": "echo $RANDOM >a"})
    captured = run_now(tool.capture(call))
    assert not (world.root / "a").exists()
    assert captured.touches == (f"file://{world.root}/a",)
    did = world.run("shell.run", replace(call, captured=captured.data))
    assert result(did)["exit_code"] == 0
    assert (world.root / "a").exists()


@proves("shell.undo_is_exact")
def test_undo_gives_the_identical_tree_and_undoing_that_gives_the_result_again(world: ShellWorld) -> None:
    """Modes, times, links, names that are not UTF-8, empty folders: all as before, twice."""
    world.fill()
    before = picture(world.root, times=True)
    did = world.do(
        "shell.run",
        command="rm -rf sub gone binary; mkdir -p sub/x; mv lots op/; chmod 700 op; echo >>a; rm n*; ln -sf b link; rmdir empty",
    )
    after = picture(world.root, times=True)
    assert after != before
    undone = world.undo("shell.run", did)
    assert picture(world.root, times=True) == before
    world.undo("files.restore", undone)
    assert picture(world.root, times=True) == after
    assert world.leftovers() == []


def test_a_command_that_changes_nothing_is_fine(world: ShellWorld) -> None:
    """Looking is a command too."""
    world.fill("echo hello >a")
    did = world.do("shell.run", command="cat a; cd /; ls >/dev/null")
    assert result(did) == {"exit_code": 0, "stdout": "hello\n", "stderr": "", "changed": [], "count": 0}


def test_long_and_binary_output_travels_through_the_store(world: ShellWorld) -> None:
    """The journal carries a reference, the actor gets the bounded text with what was cut and a flag for binary."""
    did = world.do("shell.run", command="head -c 100000 /dev/zero; seq 100000 >&2")
    assert len(str(did.call.captured)) < 400
    out, err = result(did)["stdout"], result(did)["stderr"]
    assert isinstance(out, dict)
    assert isinstance(err, dict)
    assert (out["binary"], err["binary"]) == (True, False)
    assert out["bytes_cut"] == 100_000 - 32 * 1024
    assert str(err["text"]).startswith("1\n2\n")
    assert str(err["text"]).endswith("100000\n")


@proves("shell.nothing_hidden")
def test_nothing_in_a_command_can_hide(world: ShellWorld) -> None:
    """Escapes, bidi and zero-width characters stand as code points in title and preview, and the preview is whole."""
    command = "echo a\u202eb\u200bc \x1b[8mrm\x1b[0m " + "x" * 3000 + " # end"
    tool, call = world.tools["shell.run"], world.call({"command": command})
    preview = run_now(tool.preview(call))
    for text in (preview.text, tool.title(call.args)):
        assert not {"\u202e", "\u200b", "\x1b"} & set(text)
        assert "⟨U+202E⟩" in text
        assert "⟨U+200B⟩" in text
    assert "x" * 3000 + " # end" in preview.text
    assert "cut: " in tool.title(call.args)
    assert not preview.clipped
    assert "\n" not in tool.title({"command": "a\nb"})


async def road(world: ShellWorld, call: Call) -> tuple[Preview, JsonValue]:
    """Preview, capture and run, as the gate does."""
    tool = world.tools["shell.run"]
    preview = await tool.preview(call)
    captured = await tool.capture(replace(call, staged=preview.staged))
    return preview, await tool.run(replace(call, captured=captured.data))


HELD = f"remit-hold-{os.getpid()}"


@proves("shell.concurrent_save_is_conflict")
def test_a_save_while_the_command_runs_is_a_conflict_and_both_versions_can_be_had(world: ShellWorld) -> None:
    """Nothing is written; the message says how to keep the command's version beside the person's."""
    world.fill("echo old >a; echo old >b")
    call = world.call({"command": hold("echo ours >a; echo ours >b", HELD)})
    with pytest.raises(Conflict, match="somebody changed a; nothing was written") as caught:
        run_now(held(road(world, call), HELD, lambda: world.fill("echo theirs >a")))
    assert (world.root / "a").read_text(encoding="utf-8") == "theirs\n"
    assert (world.root / "b").read_text(encoding="utf-8") == "old\n"
    kept = json.loads(caught.value.fix.partition("changes=")[2])
    did = world.do("files.restore", changes=kept)
    assert result(did)["count"] == 1
    assert (world.root / "a").read_text(encoding="utf-8") == "theirs\n"
    assert (world.root / "b").read_text(encoding="utf-8") == "ours\n"
    assert [path.read_text(encoding="utf-8") for path in world.root.glob("a.conflict-*")] == ["ours\n"]


@proves("shell.lower_changes_noticed")
def test_a_change_elsewhere_is_a_warning_and_stays(world: ShellWorld) -> None:
    """The command may have read a mixture: the person and the actor are told, nothing of it is touched."""
    world.fill("echo old >a; mkdir d; echo old >d/b")

    call = world.call({"command": hold("echo ours >a", HELD)})
    preview, done = run_now(held(road(world, call), HELD, lambda: world.fill("echo theirs >d/b")))
    assert "while it ran somebody changed d/b" in preview.text
    assert isinstance(done, dict)
    assert "warning" not in done  # as it was run again before it was committed, this time undisturbed
    assert (world.root / "d" / "b").read_text(encoding="utf-8") == "theirs\n"


@pytest.mark.parametrize("between", ["preview and capture", "capture and run"])
@proves("shell.concurrent_save_is_conflict")
def test_a_save_before_the_commit_is_a_conflict_with_nothing_changed(world: ShellWorld, between: str) -> None:
    """Between being shown and being committed the same holds: all or nothing, and never over somebody else's work."""
    world.fill("echo old >a; echo old >b; mkdir d")
    tool, call = world.tools["shell.run"], world.call({"command": "echo ours >a; echo ours >b; rmdir d; echo n >new"})
    call = replace(call, staged=run_now(tool.preview(call)).staged)
    if between == "capture and run":
        call = replace(call, captured=run_now(tool.capture(call)).data)
    world.fill("echo theirs >b")
    before = picture(world.root)
    with pytest.raises(Conflict, match="b"):
        run_now(tool.run(replace(call, captured=call.captured or run_now(tool.capture(call)).data)))
    assert picture(world.root) == before
    assert world.leftovers() == []


def test_a_command_that_had_to_be_ended_changes_nothing(world: ShellWorld) -> None:
    """Running out of time is a failure with the output so far, and not a half-done commit."""
    tool, call = world.tools["shell.run"], world.call({"command": "echo began; echo x >a; sleep 60", "timeout": 1})
    with pytest.raises(ToolFailed, match=r"nothing was changed: it ran longer than it may[\s\S]*began"):
        run_now(tool.preview(call))
    assert picture(world.root) == {}
    assert world.leftovers() == []


def test_effect_targets_and_folder_of_a_call(world: ShellWorld) -> None:
    """Without network reversible; the target is the workspace; `cwd` leads nowhere else."""
    tool = world.tools["shell.run"]
    assert tool.effect({"command": "x"}) is Effect.REVERSIBLE
    assert (tool.spec.egress, tool.spec.sandboxed) == (False, True)
    assert tool.targets({"command": "x"}) == (f"file://{world.root}",)
    world.fill("mkdir -p d/e; ln -s /etc out")
    assert result(world.do("shell.run", command="pwd", cwd="d/e"))["stdout"] == f"{world.root}/d/e\n"
    for cwd in ("..", "/etc", "out", "d/../.."):
        with pytest.raises(OutsideRoots):
            tool.targets({"command": "x", "cwd": cwd})
    with pytest.raises(ToolFailed, match="no folder"):
        world.do("shell.run", command="x", cwd="not-there")
    bads: list[dict[str, JsonValue]] = [{"command": "a\0b"}, {"command": "x" * 200_000}, {"command": "x", "timeout": 10**6}]
    for bad in bads:
        with pytest.raises(ArgsInvalid):
            tool.targets(bad)


def test_state_inside_the_workspace_is_neither_seen_nor_changed(tmp_path: Path) -> None:
    """A person may keep remit's state in the project: commands see an empty folder there."""
    world = ShellWorld(tmp_path)
    from remit.tools.changes.roots import Roots
    from remit.tools.shell.run import shell_tools

    state = world.root / ".remit"
    state.mkdir()
    (state / "journal").write_text("secret", encoding="utf-8")
    roots = Roots([world.root], [state])
    world.tools |= {tool.spec.name: tool for tool in shell_tools(roots, world.store, state / "scratch")}
    did = world.do("shell.run", command="cat .remit/* ; rm -rf .remit * ; echo x >y")
    assert "secret" not in str(did.result)
    assert (state / "journal").read_text(encoding="utf-8") == "secret"
    assert (world.root / "y").exists()
    assert list((state / "scratch").iterdir()) == []


@proves("shell.online_runs_once")
def test_with_network_the_command_runs_only_when_started(world: ShellWorld) -> None:
    """Neither preview nor capture runs it; the run commits its files, keeping ours beside what somebody saved meanwhile."""
    tool, call = world.tools["shell.run_online"], world.call({"command": "echo x >a"})
    assert (tool.effect(call.args), tool.spec.egress) == (Effect.IRREVERSIBLE, True)
    preview = run_now(tool.preview(call))
    captured = run_now(tool.capture(replace(call, staged=preview.staged)))
    assert "runs only when approved" in preview.text
    assert picture(world.root) == {}
    done = run_now(tool.run(replace(call, captured=captured.data)))
    assert (world.root / "a").read_text(encoding="utf-8") == "x\n"
    assert isinstance(done, dict)
    back = tool.undo(call, done)
    assert back is not None
    assert back.leaves == "what it did over the network stays"
    world.do(back.tool, **back.args)
    assert picture(world.root) == {}
    assert run_now(tool.probe(call)).happened is Happened.UNKNOWN


def test_with_network_a_save_meanwhile_is_kept_and_ours_stands_beside_it(world: ShellWorld) -> None:
    """What went over the network cannot be repeated, so the rest is committed and the conflict is told."""
    world.fill("echo old >a; echo old >b")

    call = world.call({"command": hold("echo ours >a; echo ours >b", HELD)})
    done = run_now(held(world.tools["shell.run_online"].run(call), HELD, lambda: world.fill("echo theirs >a")))
    assert isinstance(done, dict)
    assert (world.root / "a").read_text(encoding="utf-8") == "theirs\n"
    assert (world.root / "b").read_text(encoding="utf-8") == "ours\n"
    assert [path.read_text(encoding="utf-8") for path in world.root.glob("a.conflict-*")] == ["ours\n"]
    assert "a" in str(done["conflicts"])


def test_with_network_a_result_that_cannot_be_written_is_in_doubt(world: ShellWorld) -> None:
    """The command did run: that its files could not be read is no proof that nothing happened."""
    world.fill("mkfifo pipe")
    with pytest.raises(ToolUncertain, match="pipe"):
        run_now(world.tools["shell.run_online"].run(world.call({"command": "rm pipe"})))


@proves("shell.missing_is_said")
def test_without_a_sandbox_everything_is_said_and_declared(world: ShellWorld) -> None:
    """Irreversible, egress, not sandboxed; title and preview say so with the fix; it runs plainly; nothing is promised after a crash."""
    plain = ShellPlain(world.roots, Missing(reason="bubblewrap is not installed", fix="install it"), name="shell.run")
    assert (plain.spec.effect, plain.spec.egress, plain.spec.sandboxed) == (Effect.IRREVERSIBLE, True, False)
    call = Call(action=world.call({}).action, args={"command": "echo x >a; echo out; exit 4"})
    assert "WITHOUT ISOLATION" in plain.title(call.args)
    preview = run_now(plain.preview(call))
    assert "bubblewrap is not installed" in preview.text
    assert "install it" in preview.text
    assert not (world.root / "a").exists()
    done = run_now(plain.run(call))
    assert isinstance(done, dict)
    assert (done["exit_code"], done["stdout"]) == (4, "out\n")
    assert (world.root / "a").exists()
    assert plain.undo(call, done) is None
    assert run_now(plain.probe(call)).happened is Happened.UNKNOWN
    late = run_now(plain.run(Call(action=call.action, args={"command": "sleep 60", "timeout": 1})))
    assert isinstance(late, dict)
    assert (late["exit_code"], late["stopped"]) == (137, "it ran longer than it may")


def test_folders_of_the_dead_are_swept_and_those_of_the_living_are_not(world: ShellWorld) -> None:
    """Whoever holds the lock of its folder lives; a folder without permissions inside is removed all the same."""

    async def swept() -> tuple[int, int]:
        dead = world.scratch / "run-dead"
        (dead / "work" / "work").mkdir(parents=True)
        (dead / "work" / "work").chmod(0)
        (dead / "lock").touch()
        async with layers(world.scratch, world.root, ()) as living:
            first = sweep(world.scratch)
            assert living.upper.exists()
            assert not dead.exists()
        return first, sweep(world.scratch)

    assert run_now(swept()) == (1, 0)
    assert world.leftovers() == []


@proves("policy.no_way_around")
@pytest.mark.parametrize("tool", ["shell.run", "shell.run_online"])
@pytest.mark.parametrize("args", [{}, {"cwd": "."}, {"cwd": "d/.."}, {"cwd": "./d/../"}])
def test_policy_sees_the_folder_of_a_command_in_one_form_only(world: ShellWorld, tool: str, args: dict[str, str]) -> None:
    """However it was written, and also when it was left out."""
    (world.root / "d").mkdir()
    assert world.tools[tool].visible({"command": "true", **args})["cwd"] == str(world.root)
