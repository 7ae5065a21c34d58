"""`python -m tests.fuzz`: every input with coverage as the guide, for as long as it is given."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random

import click

FOUND = Path("fuzz-findings")
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED = re.compile(r"cov: (\d+)")
_OVER_S = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="for all inputs together")
    parser.add_argument("--only", default="", help="inputs whose name holds this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("libfuzzer", nargs="*", help="a file to try again, or options of libFuzzer")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        click.echo("fuzz: atheris is not installed: pip install '.[proof]' (Linux, Python 3.11)")
        return 2
    if options.child:
        return _child(options.child, options.libfuzzer)
    return _all(options)


def _all(options: argparse.Namespace) -> int:
    """Run each input in a process of its own: a crash or a hang ends one, not all."""
    from tests.fuzz.targets import TARGETS

    chosen = [target for target in TARGETS if options.only in target.name]
    seconds = max(1, int(options.minutes * 60 / max(1, len(chosen))))
    about = f"{len(chosen)} inputs, {seconds} s each: about {_minutes(seconds * len(chosen))}"
    click.echo(about, err=True)
    click.echo(f"{'input':26} {'runs':>10} {'branches':>9}  finding")
    findings = 0
    for place_in_line, target in enumerate(chosen):
        left = _minutes(seconds * (len(chosen) - place_in_line))
        click.echo(f"{place_in_line + 1}/{len(chosen)} {target.name}, {left} left", err=True)
        place = FOUND / re.sub(r"[^a-z]+", "-", target.name)
        corpus = place / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        command = [
            *(sys.executable, "-m", "tests.fuzz", "--child", target.name, "--", str(corpus)),
            *options.libfuzzer,
            *(f"-artifact_prefix={place}/", f"-seed={options.seed}", "-max_len=20000"),
            *(f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=4096"),
            *("-print_final_stats=1", "-verbosity=1"),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=seconds + _OVER_S, check=False
            )
            code, said = done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")
        except subprocess.TimeoutExpired as late:
            code, said = 1, (late.stderr or b"").decode("utf-8", "replace") + "\nit hangs"
        runs, covered = _RUNS.findall(said), _COVERED.findall(said)
        what = ""
        if code:
            findings += 1
            (place / "said.txt").write_text(said)
            what = f"{_why(said)} ({place})"
        counts = f"{runs[-1] if runs else '?':>10} {covered[-1] if covered else '?':>9}"
        click.echo(f"{target.name:26} {counts}  {what or 'none'}")
    click.echo(f"{findings} findings in {len(chosen)} inputs")
    if findings:
        click.echo(
            "again: python -m tests.fuzz --child NAME -- FILE, the file being a crash-… of it"
        )
    return 1 if findings else 0


def _minutes(seconds: int) -> str:
    return f"{max(1, round(seconds / 60))} min"


def _why(said: str) -> str:
    lines = [line for line in said.splitlines() if re.match(r"[\w.]*(Error|Finding|hangs)\b", line)]
    return lines[-1][:160] if lines else "see said.txt"


def _child(name: str, arguments: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["core", "adapters", "websocket"]):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.mutate import mutated
    from tests.fuzz.target import judge

    target = next(one for one in TARGETS if one.name == name)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.4:
            return atheris.Mutate(data, most)  # type: ignore[no-any-return]
        return mutated(data, random)[:most]

    atheris.Setup([name, *arguments], lambda data: judge(target, data), custom_mutator=mutate)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
