"""`python -m tests.chaos --rounds 200`: kill and hang real processes, compare the ledgers."""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.campaign import FAULTS, Campaign, Result, load_menu


def main() -> int:
    """Play the rounds, print what was done and found; return 1 where ledgers differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="in all  [20]")
    parser.add_argument("--seed", type=int, default=1, help="of the first worker  [1]")
    parser.add_argument("--workers", type=int, default=2, help="hosts side by side  [2]")
    parser.add_argument("--faults", type=Path, default=FAULTS, help="a JSON list of faults")
    parser.add_argument("--quiet", action="store_true", help="say only what differs")
    options = parser.parse_args()
    menu = load_menu(options.faults)
    folder = Path(tempfile.mkdtemp(prefix="bulkhead-chaos-"))
    share = -(-options.rounds // options.workers)

    def said(line: str) -> None:
        if not options.quiet or ": equal," not in line:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def play(seed: int) -> Result:
        return Campaign(folder, seed, menu, said).run(share)

    total = Result()
    with ThreadPoolExecutor(options.workers) as pool:
        for result in pool.map(play, range(options.seed, options.seed + options.workers)):
            total.add(result)
    for problem in total.problems:
        said(f"DIFFERENT {problem}")
    sys.stdout.write(f"{total}\n")
    if not total.problems:
        folder.rmdir()
    return 1 if total.problems else 0


if __name__ == "__main__":
    sys.exit(main())
