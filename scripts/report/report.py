"""Report: everything a study made -> one page, its tables (Markdown, LaTeX), its numbers (JSON, Parquet)."""

from pathlib import Path

from scripts.lib.data import tables
from scripts.lib.data.files import write_text
from scripts.lib.process.cli import cli
from scripts.lib.report.drawing import page
from scripts.lib.report.drawing.latex import latex
from scripts.lib.report.numbers.results import metrics, scoreboards
from scripts.lib.report.results_file import results_file, write
from scripts.lib.report.sections import sections
from scripts.lib.report.sections.headline import headline
from scripts.lib.report.study import read_study

ORDER = ("dataset", "teacher", "student", "benchmark", "variant", "metric", "seed")


def main(
    manifest: Path,
    output_html: Path,
    output_markdown: Path,
    output_latex: Path,
    output_results: Path,
    output_metrics: Path,
) -> None:
    """Write the report of a study.

    Args:
        manifest: what the study is made of (see scripts/lib/report/study.py).
        output_html: the page: one file that needs no network and no script.
        output_markdown: its headline and tables.
        output_latex: its tables, booktabs.
        output_results: its numbers, data and provenance, JSON (see scripts/lib/report/results_file.py).
        output_metrics: its numbers, METRICS.
    """
    study = read_study(manifest)
    top, parts = headline(study), sections(study)
    for path, make in ((output_html, page.html), (output_markdown, page.markdown)):
        write_text(make(study.name, study.note, top, parts), path)
    write_text(latex(study.name, parts), output_latex)
    write(results_file(study, top, parts, scoreboards(study)), output_results)
    tables.write(metrics(scoreboards(study)), output_metrics, tables.METRICS, sort=ORDER)


if __name__ == "__main__":
    cli(main)
