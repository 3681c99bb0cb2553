"""Put every fault in, one at a time; fail when the fast tests of its part notice nothing.

Usage: python -m tests.faults [WORDS ...] [-x] [--list] [--workers 2]
"""

import argparse
import sys
import time

from tests.faults.faults import faults
from tests.faults.trial import Fault, Verdict, try_all


def name(fault: Fault) -> str:
    """A fault as it is called."""
    return f"{fault.file.removeprefix('scripts/')}: {fault.meaning}"


def tell(verdict: Verdict) -> None:
    """One line: what was tried, how long it took, and who noticed."""
    said = f"caught by {verdict.by}" if verdict.by else verdict.wrong
    print(f"{verdict.seconds:5.1f} s  {name(verdict.fault)}  [{said}]", flush=True)


def main() -> int:
    """The exit status: 0 when every fault was caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="only faults whose line (file: meaning) holds one of these")
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop at the first survivor")
    parser.add_argument("--list", action="store_true", help="name the faults, try none")
    parser.add_argument("--workers", type=int, default=2, help="how many are tried side by side")
    asked = parser.parse_args()
    chosen = [
        fault for fault in faults() if not asked.words or any(word in name(fault) for word in asked.words)
    ]
    if asked.list or not chosen:
        print("\n".join(map(name, chosen)) or "no such fault")
        return not chosen
    begun = time.monotonic()
    verdicts = try_all(chosen, tell, asked.workers, first=asked.exitfirst)
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    spent = time.monotonic() - begun
    print(f"{len(verdicts)} of {len(chosen)} faults tried, {len(wrong)} not caught, {spent:.0f} s")
    for verdict in wrong:
        print(f"{name(verdict.fault)}  [{verdict.wrong}]", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
