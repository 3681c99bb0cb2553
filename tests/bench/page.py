"""A report of a full-size study: how long it takes, how large its page is, how fast a browser opens it."""

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from scripts.report.report import main as report
from tests.bench.rows import tell
from tests.support.report_fixture import make_study

LARGEST = 5_000_000
"""Bytes of a page that is attached to a mail."""
OPENED = """
addEventListener("load", () => setTimeout(() => {
  const seen = performance.getEntriesByType("navigation")[0];
  document.title = `opened ${Math.round(seen.loadEventEnd)} ms`;
}));
"""


def opened(page: Path) -> str:
    """How long a headless browser takes to load the page, in its own words; "" where there is no browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return ""
    text = re.sub(r"<meta http-equiv=.*?>", "", page.read_text(encoding="utf-8"), count=1)
    timed = page.with_name("timed.html")
    timed.write_text(text.replace("</body>", f"<script>{OPENED}</script></body>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", timed.as_uri()]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=10000"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r"opened \d+ ms", shown)
    return found[0] if found else "not opened"


def main() -> None:
    """12,000 test questions, 7,473 queries with 50 samples each of teacher and student."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        manifest = make_study(root / "study", seeds=(0,), train=7_473, test=12_000, draws=50)
        names = ("report.html", "report.md", "tables.tex", "results.json", "metrics.parquet")
        start, cpu = time.perf_counter(), time.process_time()
        report(manifest, *(root / name for name in names))
        wall, used = time.perf_counter() - start, time.process_time() - cpu
        size = (root / names[0]).stat().st_size
        part = "The report of 12,000 test questions and 7,473 x 50 samples"
        tell(part, "making it", used, "CPU s", more=f"{wall:.1f} s wall")
        tell(part, "the page", size / 1e6, "MB", more=opened(root / names[0]), bar="5 MB, opened in 1,000 ms")
        if size > LARGEST:
            raise SystemExit(f"the page has {size} bytes, more than {LARGEST}")


if __name__ == "__main__":
    main()
