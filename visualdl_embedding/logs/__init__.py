"""Records for VisualDL, their log files, and a size limit."""

from visualdl_embedding.logs._budget import DEFAULT_LOG_BYTES, SHARES, LogBudget, Tally
from visualdl_embedding.logs._entries import Entry, is_ours, quiet_import, record_class
from visualdl_embedding.logs._records import reduce_dimensions, snapshot_records, snapshot_sizes, text_record
from visualdl_embedding.logs._repair import hidden_files_note, log_files, repair, rewrite
from visualdl_embedding.logs._scan import LARGEST_RECORD_BYTES, scan
from visualdl_embedding.logs._writer import LogFile

__all__ = [
    "DEFAULT_LOG_BYTES",
    "LARGEST_RECORD_BYTES",
    "SHARES",
    "Entry",
    "LogBudget",
    "LogFile",
    "Tally",
    "hidden_files_note",
    "is_ours",
    "log_files",
    "quiet_import",
    "record_class",
    "reduce_dimensions",
    "repair",
    "rewrite",
    "scan",
    "snapshot_records",
    "snapshot_sizes",
    "text_record",
]
