"""False alarms and power of the guide's drift rule over a year of weekly trainings.

The rule is ``drift_towards`` the group "negative" with ``looks = 52`` and one word. A year is 53 trainings of 500 words
(`_trainings.py`), each on its own bootstrap resample of the same documents: nothing changes. In every year, five random
words that are not negative are watched, each by its own rule, and all five by one more rule. The rules are evaluated in
three ways, with the functions that the commands use:

- "run": each week against the previous one, as recorded in a run, without and with null pairs of earlier weeks
  (`report --run` uses ten);
- "check": each week by `check --baseline` against the previous one; its directions are those of a run without null
  pairs.

One year is also recorded in a run and checked from files by the command itself. Aim: at most 0.05 false alarms a year
and rule.

Power: at the end of each year, all contexts of one watched word are replaced by those of a negative word. A donor leans
to its group if its lean (mean cosine with the group minus that with the others) is in the upper half of the negative
words; a word that takes the contexts of another donor does not move towards the group.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _common import parser, report
from _trainings import Change, Documents, load_documents, train
from calibration import changes
from click.testing import CliRunner
from rich.progress import track

from visualdl_embedding.alerts import DriftTowards, History, check_scalars, load_rules, replay
from visualdl_embedding.analysis import Config
from visualdl_embedding.cli import main as command
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.drift import Direction, Pair, compare_snapshots, measure_pair, watched_directions
from visualdl_embedding.runs import record_once

GROUP, LOOKS, WATCHED, NULL_PAIRS = "negative", 52, 5, 10
RULES = """[[rule]]
kind = "drift_towards"
group = "negative"
words = ["{word}"]
looks = 52
"""


def rules_of(words: Sequence[str]) -> list[DriftTowards]:
    """One rule for each word, and one for all of them."""
    alone = [DriftTowards(GROUP, (word,), looks=LOOKS) for word in words]
    return [*alone, DriftTowards(GROUP, tuple(words), looks=LOOKS)]


def run_directions(
    before: Snapshot, after: Snapshot, words: Sequence[str], pairs: Sequence[Pair]
) -> dict[str, tuple[Direction, ...]]:
    """Directions of one week in a run; `pairs` are those of the earlier weeks, whose newest one shares a week."""
    null = list(pairs[-2::-2][:NULL_PAIRS])
    alone = watched_directions(before, after, words)
    with_null = compare_snapshots(before, after, watch=words, null=null).directions if null else alone
    return {"run": alone, f"run, {NULL_PAIRS} null pairs": with_null}


def alarms_of_a_year(weeks: Sequence[Snapshot], words: Sequence[str]) -> tuple[dict[str, np.ndarray], list[Pair]]:
    """Number of alarms of each rule by way of evaluation, and the pairs of consecutive weeks."""
    rules = rules_of(words)
    evidence: dict[str, dict[int, Sequence[Direction]]] = defaultdict(dict)
    pairs: list[Pair] = []
    counts: dict[str, np.ndarray] = {"check": np.zeros(len(rules))}
    for week in range(1, len(weeks)):
        before, after = weeks[week - 1 : week + 1]
        for way, found in run_directions(before, after, words, pairs).items():
            evidence[way][week] = found
        pairs.append(measure_pair(before, after))
        failed = [v for v in check_scalars(rules, {}, evidence=evidence["run"][week]) if v.status == "failed"]
        counts["check"] += [any(v.rule == rule.name for v in failed) for rule in rules]
    for way, by_week in evidence.items():
        history = History.of("word", {week: {} for week in range(len(weeks))}, evidence=by_week)
        alerts, _ = replay(rules, history)
        counts[way] = np.array([len({a.step for a in alerts if a.rule == rule.name}) for rule in rules])
    return counts, pairs


def fires(before: Snapshot, after: Snapshot, words: Sequence[str], pairs: Sequence[Pair], word: str) -> dict[str, bool]:
    """Whether the rule for one of the words fires in one week, by way of evaluation."""
    ways = run_directions(before, after, words, pairs)
    ways["check"] = ways["run"]
    rule = DriftTowards(GROUP, (word,), looks=LOOKS)
    return {way: check_scalars([rule], {}, evidence=found)[0].status == "failed" for way, found in ways.items()}


def leaning_donors(documents: Documents, snapshot: Snapshot) -> set[int]:
    """Negative words whose lean to their group is in the upper half."""
    from visualdl_embedding.drift._direction import leans

    negative = np.array([group == GROUP for group in documents.groups])
    lean = leans(snapshot.vectors, np.where(negative, 0, 1).astype(np.int32), 2)[:, 0]
    return set(np.flatnonzero(negative & (lean > np.median(lean[negative]))).tolist())


def recorded_and_checked(weeks: Sequence[Snapshot], word: str, folder: Path) -> dict[str, int]:
    """Alarms of one year recorded in a run by `record_once`, and checked by ``check --baseline`` on saved files."""
    runner = CliRunner()
    rules, metadata, run = folder / "rules.toml", folder / "groups.tsv", folder / "run"
    rules.write_text(RULES.format(word=word), "utf-8")
    rows = replace(weeks[0].rows, watch=(word,))
    cells = zip(rows.labels, rows.columns["group"], rows.columns["frequency"], strict=True)
    lines = ["label\tgroup\tfrequency", *map("\t".join, cells)]
    metadata.write_text("\n".join(lines) + "\n", "utf-8")
    found = {"record_once": 0, "check --baseline": 0}
    for i, week in enumerate(track(weeks, description="One year on disk", transient=True)):
        done = record_once(
            run,
            replace(week, rows=rows),
            table=Table(week.table, *week.vectors.shape),
            config=None if i else Config(methods=("pca",)),
            rules=load_rules(rules),
        )
        found["record_once"] += len(done.alerts)
        path = folder / f"week{i}.txt"
        texts = (f"{label} {' '.join(map(str, row))}" for label, row in zip(week.labels, week.vectors, strict=True))
        path.write_text(f"{len(week.labels)} {week.vectors.shape[1]}\n" + "\n".join(texts) + "\n", "utf-8")
        if i:
            sides = ["check", str(path), "--baseline", str(folder / f"week{i - 1}.txt"), "--json"]
            options = ["--metadata", str(metadata), "--rules", str(rules)]
            checked = runner.invoke(command, [*sides, *options], catch_exceptions=False)
            assert checked.exit_code in (0, 1), checked.output
            statuses = [verdict["status"] for verdict in json.loads(checked.stdout)["verdicts"]]
            assert set(statuses) <= {"passed", "failed"}, checked.output
            found["check --baseline"] += "failed" in statuses
    return found


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--years", type=int, default=20, help="repetitions")
    options.add_argument("--weeks", type=int, default=52, help="weekly comparisons of a year")
    options.add_argument("--words", type=int, default=500)
    arguments = options.parse_args()
    limit = None
    if arguments.quick:
        arguments.years, arguments.weeks, arguments.words, limit = 1, 4, 300, 2_000
    start = time.perf_counter()
    documents = load_documents(arguments.words, limit)
    rng = np.random.default_rng(0)
    asked = list(changes(documents, WATCHED * arguments.years))
    false: dict[str, list[np.ndarray]] = defaultdict(list)
    power: dict[str, list[bool]] = defaultdict(list)
    donors: set[int] = set()
    weeks: list[Snapshot] = []
    words: list[str] = []
    for year in track(range(arguments.years), description="Years", transient=True):
        changed = asked[WATCHED * year :][:WATCHED]
        rest = rng.permutation([i for i, group in enumerate(documents.groups) if group != GROUP])
        chosen = list(dict.fromkeys([*(word for word, _ in changed), *map(int, rest)]))[:WATCHED]
        words = [documents.words[i] for i in chosen]
        seeds = range(1_000 * (year + 1), 1_000 * (year + 1) + arguments.weeks + 1)
        weeks = [train(documents, seed, step=step) for step, seed in enumerate(seeds)]
        donors = donors or leaning_donors(documents, weeks[0])
        counts, pairs = alarms_of_a_year(weeks, words)
        for way, found in counts.items():
            false[way].append(found)
        for i, (word, donor) in enumerate(changed):
            change = Change(word, donor, 1.0)
            after = train(documents, 10_000_000 + WATCHED * year + i, change=change, step=len(weeks))
            for way, fired in fires(weeks[-1], after, words, pairs, documents.words[word]).items():
                power[way].append(fired)
    seconds = {"years": time.perf_counter() - start}
    with tempfile.TemporaryDirectory() as folder:
        on_disk = recorded_and_checked(weeks, words[0], Path(folder))
    seconds["all"] = time.perf_counter() - start
    leaning = np.array([donor in donors for _, donor in asked])
    figures: dict[str, Any] = {"seconds": seconds, "one_year_on_disk": on_disk, "ways": {}}
    lines = []
    for way, found in false.items():
        alone, together = np.array(found)[:, :WATCHED], np.array(found)[:, WATCHED]
        fired = np.array(power[way])
        figures["ways"][way] = {
            "alarms_per_year_and_rule": float(alone.mean()),
            "years_with_an_alarm": float((alone > 0).mean()),
            "alarms_per_year_of_the_rule_with_all_words": float(together.mean()),
            "power": float(fired.mean()),
            "power_leaning_donor": float(fired[leaning].mean()) if leaning.any() else None,
        }
        lines.append([way, *("–" if v is None else f"{v:.3f}" for v in figures["ways"][way].values())])
    report(
        f"Rule with looks = 52 over {arguments.years} years of {arguments.weeks} weeks: {arguments.words} words, "
        f"{WATCHED} rules with one word each, {len(asked)} changed words ({int(leaning.sum())} with a leaning donor)",
        ["evaluated by", "alarms a year", "years with any", "one rule, 5 words", "changed: fires", "leaning donor"],
        lines,
        figures=figures,
        options=arguments,
    )
    print(f"One year on disk, alarms: {on_disk}; {seconds['all']:.0f} s")


if __name__ == "__main__":
    main()
