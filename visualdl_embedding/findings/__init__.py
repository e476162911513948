"""Findings: defects and anomalies in a snapshot, with evidence, usual causes and the next check.

`find` runs all detectors. They are calibrated to report nothing on spaces without anomalies.
"""

from visualdl_embedding.findings._find import find
from visualdl_embedding.findings._finding import SEVERITIES, Finding, Severity
from visualdl_embedding.findings._groups import Script, script_of
from visualdl_embedding.findings._outliers import Distances, robust_distances
from visualdl_embedding.findings._rows import Clump, intrinsic_dimension, tight_clumps
from visualdl_embedding.findings._untrained import Untrained, untrained_rows

__all__ = [
    "SEVERITIES",
    "Clump",
    "Distances",
    "Finding",
    "Script",
    "Severity",
    "Untrained",
    "find",
    "intrinsic_dimension",
    "robust_distances",
    "script_of",
    "tight_clumps",
    "untrained_rows",
]
