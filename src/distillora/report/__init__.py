"""The report of a run, written from its results."""

from distillora.report.page import build_report, write_report
from distillora.report.tables import summary_table

__all__ = ["build_report", "summary_table", "write_report"]
