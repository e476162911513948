"""Alerts: rules over the scalars of a table, evaluated at every snapshot of a training or once in CI.

``evaluate`` and ``check_scalars`` are pure functions; ``run_hook`` notifies another program.
"""

from visualdl_embedding.alerts._alert import STATUSES, Alert, Status, Verdict
from visualdl_embedding.alerts._drift import DriftTowards
from visualdl_embedding.alerts._evaluate import RuleState, check_scalars, evaluate, replay, unmatched
from visualdl_embedding.alerts._history import History
from visualdl_embedding.alerts._hook import HookResult, run_hook
from visualdl_embedding.alerts._load import KINDS, RulesLike, default_rules, load_rules, read_rules, stored_rules
from visualdl_embedding.alerts._outputs import to_json, to_junit_xml, verdict_table
from visualdl_embedding.alerts._reach import names_in_metrics, require_reachable
from visualdl_embedding.alerts._rule import Rule
from visualdl_embedding.alerts._space import Collapsed, GroupMixing, NonFinite, TailCrowding
from visualdl_embedding.alerts._thresholds import Above, Below, Changes
from visualdl_embedding.core.severity import Severity
from visualdl_embedding.errors import RulesError

__all__ = [
    "KINDS",
    "STATUSES",
    "Above",
    "Alert",
    "Below",
    "Changes",
    "Collapsed",
    "DriftTowards",
    "GroupMixing",
    "History",
    "HookResult",
    "NonFinite",
    "Rule",
    "RuleState",
    "RulesError",
    "RulesLike",
    "Severity",
    "Status",
    "TailCrowding",
    "Verdict",
    "check_scalars",
    "default_rules",
    "evaluate",
    "load_rules",
    "names_in_metrics",
    "read_rules",
    "replay",
    "require_reachable",
    "run_hook",
    "stored_rules",
    "to_json",
    "to_junit_xml",
    "unmatched",
    "verdict_table",
]
