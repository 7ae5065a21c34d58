"""`run.py drill`: good hosts pass every drill, and a host that fails its duty fails its drill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import run
from adapters.configuration import load
from adapters.drills import site as drill_site
from adapters.drills.running import DRILLS, Result, hold
from tests.e2e.site import ROOT, RUN, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

AT_ONCE = 2
BROKEN = {
    "flatten": (
        "import adapters.storage.journal as broken\n"
        "from core.messages import Fill\n"
        "append = broken.SqliteJournal.append\n"
        "def without_fills(self, records):\n"
        "    return append(self, [one for one in records if not isinstance(one.payload, Fill)])\n"
        "broken.SqliteJournal.append = without_fills\n",
        "missing in the books",
    ),
    "stops": (
        "import actors.protection as broken\nbroken.Protection._close = lambda *_: None\n",
        "without its stop",
    ),
    "flash": (
        "import core.risk.flash as broken\nbroken.FlashWatch.look = lambda *_: None\n",
        "it answers the fall: not within",
    ),
    "disk": (
        "import actors.halting as broken\nbroken.Halting.journal_failed = lambda *_: None\n",
        "new risk ends: not within",
    ),
}


def environment(folder: Path) -> dict[str, str]:
    """Return one in which this folder is the user's own, and drills are held below it."""
    return {**os.environ, "TMPDIR": str(folder), "HOME": str(folder), "XDG_STATE_HOME": ""}


def running(folder: Path) -> dict[int, str]:
    """Return the command lines of processes that have to do with a folder, by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found[int(path.parent.name)] = words.replace("\0", " ")
    return found


def drill(folder: Path, names: Sequence[str]) -> tuple[int, list[dict[str, Any]], str]:
    """Hold drills; return the exit code, what was found of each, and stderr."""
    done = subprocess.run(
        [*RUN, "drill", *names, "--json"],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)["drills"] if done.stdout else [], done.stderr


def test_a_good_host_passes_every_drill_and_nothing_is_left_of_it(tmp_path: Path):
    shares = [list(DRILLS)[first::AT_ONCE] for first in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(lambda names: drill(tmp_path, names), shares))

    found = {row["name"]: row for _, rows, _ in ends for row in rows}
    for name, row in found.items():
        assert row["passed"], (name, row["problems"], row["differences"], row["notes"][-30:])
        assert row["compared"], name
        assert row["fills"], name
        assert row["recovered_s"] is not None, name
        assert row["notes"][0] | {"at_s": 0} == row["notes"][0], "times count from the injection"
    assert found.keys() == DRILLS.keys()
    assert [code for code, _, _ in ends] == [0] * AT_ONCE
    assert list(tmp_path.iterdir()) == []
    assert not running(tmp_path)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Result]]:
    """Return how hosts that lack one part of their duty each went through the drill for it."""
    folder = tmp_path_factory.mktemp("drills")
    config = load(ROOT / "config.toml")

    def play(name: str) -> Result:
        program = folder / f"{name}.py"
        program.write_text(
            f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{BROKEN[name][0]}"
            "import run\nsys.exit(run.main())\n"
        )
        return hold(name, config, folder, program, lambda _: None)

    with pytest.MonkeyPatch.context() as sooner, ThreadPoolExecutor(AT_ONCE) as pool:
        sooner.setattr(drill_site, "_AGAIN_WITHIN_S", 6.0)
        yield dict(zip(BROKEN, pool.map(play, BROKEN), strict=True))


@pytest.mark.parametrize("name", BROKEN)
def test_a_host_that_does_not_do_its_duty_fails_the_drill_for_it(
    broken: dict[str, Result], name: str
):
    result = broken[name]

    assert not result.passed
    said = " ".join((*result.problems, *result.differences))
    assert BROKEN[name][1] in said
    assert (Path(result.folder) / "state" / "journal.db").exists(), "kept to be looked at"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_every_process_of_the_drill_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
):
    process = subprocess.Popen(
        [*RUN, "drill", "kill"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for("host and exchange run", lambda: len(running(tmp_path)) >= 2)
    process.send_signal(number)
    process.send_signal(number)  # the impatient
    out, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert (out, errors.splitlines()[-1]) == (
        "",
        "the drills were interrupted: nothing of them runs or is kept",
    )
    assert list(tmp_path.iterdir()) == []
    assert not running(tmp_path)


def test_a_drill_that_is_killed_while_its_host_stands_still_leaves_nothing_running(tmp_path: Path):
    process = subprocess.Popen(
        [*RUN, "drill", "kill"],
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for("host and exchange run", lambda: len(running(tmp_path)) >= 2)
    [host] = [pid for pid, words in running(tmp_path).items() if "drilled-host" in words]
    os.kill(host, signal.SIGSTOP)
    process.kill()
    process.wait()
    wait_for("nothing runs", lambda: not running(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        'mode = "live"\n[venues.binance]\nkey_env = "KEY"\nsecret_env = "SECRET"\n',
        '[paper]\nexchange = "http://127.0.0.1:9"\n',
    ],
)
def test_no_host_but_a_drills_own_can_be_started_so_that_accidents_may_be_ordered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: str
):
    file = tmp_path / "config.toml"
    bot = '[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\nstrategy = "hedge_grid"\n'
    file.write_text(changes + bot)

    assert run.main(["drilled-host", "--config", str(file)]) == 2
    assert "accidents are for a host on paper" in capsys.readouterr().err


def test_a_drill_that_is_not_there_is_refused_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
):
    assert run.main(["drill", "flood"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("flood", *DRILLS))
    assert run.main(["drill", "--list"]) == 0
    assert set(DRILLS) <= set(capsys.readouterr().out.split())
