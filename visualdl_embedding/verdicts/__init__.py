"""Two models or runs against one another, and either against rules: for a terminal, and for CI."""

from visualdl_embedding.verdicts._check import Checked, check_tables
from visualdl_embedding.verdicts._drift import drift_between
from visualdl_embedding.verdicts._sides import is_run

__all__ = ["Checked", "check_tables", "drift_between", "is_run"]
