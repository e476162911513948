"""HTML summary of a report as the output of a notebook cell, without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visualdl_embedding.core.text import html_text
from visualdl_embedding.reports._figures import view_title

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report

__all__ = ["summary_html"]


def summary_html(report: Report) -> str:
    """Return a summary of views and findings as HTML, with all data escaped."""
    rows, table = report.snapshot.rows, report.table
    views = "".join(
        f"<tr><td>{html_text(view.key)}</td><td style='text-align:left'>{html_text(view_title(view))}</td>"
        f"<td>{view.numbers.get('trustworthiness', float('nan')):.3f}</td>"
        f"<td>{view.numbers.get('continuity', float('nan')):.3f}</td></tr>"
        for view in report.views
    )
    findings = "".join(
        f"<li><b>{html_text(finding.title)}</b> {html_text(finding.evidence)}</li>" for finding in report.findings
    )
    notes = "".join(f"<li>{html_text(note)}</li>" for note in report.notes)
    return (
        f"<p><b>{html_text(table.name)}</b> of {html_text(report.name)}: {len(rows):,} of {table.num_rows:,} rows "
        f"({html_text(rows.how)}), {table.dim} dimensions</p>"
        "<table><thead><tr><th>view</th><th></th><th>trustworthiness</th><th>continuity</th></tr></thead>"
        f"<tbody>{views}</tbody></table>"
        + (f"<p>Findings</p><ul>{findings}</ul>" if findings else "<p>No findings.</p>")
        + (f"<p>Notes</p><ul>{notes}</ul>" if notes else "")
    )
