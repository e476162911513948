"""Records for VisualDL, their log files, and a size limit."""

from visualdl_embedding.logs._budget import DEFAULT_LOG_BYTES, LogBudget, Tally, is_ours
from visualdl_embedding.logs._records import scalar_record, snapshot_records, text_record
from visualdl_embedding.logs._repair import MARK, log_files, repair, rewrite
from visualdl_embedding.logs._scan import LARGEST_RECORD_BYTES, quiet_import, record_class, scan
from visualdl_embedding.logs._writer import LogFile

__all__ = [
    "DEFAULT_LOG_BYTES",
    "LARGEST_RECORD_BYTES",
    "MARK",
    "LogBudget",
    "LogFile",
    "Tally",
    "is_ours",
    "log_files",
    "quiet_import",
    "record_class",
    "repair",
    "rewrite",
    "scalar_record",
    "scan",
    "snapshot_records",
    "text_record",
]
