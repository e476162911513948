"""Records for VisualDL, their log files, and a size limit."""

from visualdl_embedding.logs._budget import DEFAULT_LOG_BYTES, LogBudget, Tally
from visualdl_embedding.logs._entries import is_ours, quiet_import, record_class
from visualdl_embedding.logs._records import snapshot_records, text_record
from visualdl_embedding.logs._repair import log_files, repair, rewrite
from visualdl_embedding.logs._scan import LARGEST_RECORD_BYTES, scan
from visualdl_embedding.logs._writer import LogFile

__all__ = [
    "DEFAULT_LOG_BYTES",
    "LARGEST_RECORD_BYTES",
    "LogBudget",
    "LogFile",
    "Tally",
    "is_ours",
    "log_files",
    "quiet_import",
    "record_class",
    "repair",
    "rewrite",
    "scan",
    "snapshot_records",
    "text_record",
]
