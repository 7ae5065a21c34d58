"""Runs every benchmark beside this file, each in a process of its own, and prints one table.

Words on the command line choose: only files whose name holds one of them.
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_WITHIN_S = 600


def main(words: list[str]) -> int:
    """Run the chosen benchmarks; 1 when one of them failed or none was chosen."""
    if words[:1] == ["--one"]:
        print(json.dumps(runpy.run_path(words[1])["run"]()))
        return 0
    files = [
        file
        for file in sorted(HERE.glob("bench_*.py"))
        if not words or any(word in file.name for word in words)
    ]
    table = Table(title=f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs")
    for heading in ("benchmark", "what", "value", "unit", "note"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    failed = not files
    for file in files:
        print(f"running {file.name} …", file=sys.stderr)
        try:
            rows = _rows(file)
        except (subprocess.SubprocessError, ValueError) as error:
            print(f"error: {file.name} failed ({error})", file=sys.stderr)
            failed = True
            continue
        for name, value, unit, note in rows:
            table.add_row(file.stem.removeprefix("bench_"), name, _short(value), unit, note)
        table.add_section()
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return int(failed)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _rows(file: Path) -> list[tuple[str, float, str, str]]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(file)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=_WITHIN_S,
    )
    rows: list[tuple[str, float, str, str]] = json.loads(done.stdout.splitlines()[-1])
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
