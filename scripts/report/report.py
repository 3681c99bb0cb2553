"""Report: everything a study made -> one page, its tables as Markdown, its numbers as Parquet."""

from pathlib import Path

from scripts.lib.data import tables
from scripts.lib.data.files import write_text
from scripts.lib.process.cli import cli
from scripts.lib.report import load, page
from scripts.lib.report.results import metrics, read_settings
from scripts.lib.report.sections import sections

ORDER = ("dataset", "teacher", "student", "benchmark", "variant", "metric", "seed")


def main(manifest: Path, output_html: Path, output_markdown: Path, output_metrics: Path) -> None:
    """Write the report of a study.

    Args:
        manifest: what the study is made of (see scripts/lib/report/load.py).
        output_html: the page: one file that needs no network and no script.
        output_markdown: its headline and tables.
        output_metrics: its numbers.
    """
    found = load.manifest(manifest)
    settings, absent = read_settings(found["rows"])
    top, parts = page.headline(settings), sections(found, settings, absent)
    for path, write in ((output_html, page.html), (output_markdown, page.markdown)):
        write_text(write(found["study"], found["note"], top, parts), path)
    tables.write(metrics(settings), output_metrics, tables.METRICS, sort=ORDER)


if __name__ == "__main__":
    cli(main)
