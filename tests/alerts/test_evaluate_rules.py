from __future__ import annotations

import math
from itertools import groupby

import pytest
from alert_examples import curve, moved, up_to
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.alerts import (
    Above,
    Alert,
    Changes,
    DriftTowards,
    History,
    NonFinite,
    RuleState,
    default_rules,
    evaluate,
    replay,
)

HIGH, LOW = 0.9, 0.1
values = st.lists(st.sampled_from([HIGH, LOW, None, math.nan]), max_size=25)


def steps(alerts: tuple[Alert, ...]) -> list[int]:
    return [alert.step for alert in alerts]


def live(rule: Above, history: History) -> list[int]:
    """Judge snapshot after snapshot."""
    state, found = None, []
    for n in range(1, len(history) + 1):
        alerts, state = evaluate([rule], up_to(history, n), state)
        found += steps(alerts)
    return found


def expected(history: History, for_snapshots: int) -> list[int]:
    """By another way: leave out what is unknown, cut into episodes, take the n-th snapshot of each."""
    known = [(s, v["isoscore"] > 0.5) for s, v in zip(history.steps, history.scalars, strict=True) if finite(v)]
    episodes = [[step for step, _ in part] for holds, part in groupby(known, key=lambda pair: pair[1]) if holds]
    return [episode[for_snapshots - 1] for episode in episodes if len(episode) >= for_snapshots]


def finite(scalars: dict[str, float]) -> bool:
    return math.isfinite(scalars.get("isoscore", math.nan))


@given(values, st.integers(1, 4))
def test_a_rule_fires_exactly_once_for_each_episode(found: list[float | None], for_snapshots: int) -> None:
    history, rule = curve("isoscore", found), Above("isoscore", 0.5, for_snapshots=for_snapshots)
    fired = live(rule, history)
    assert fired == expected(history, for_snapshots)
    assert steps(replay([rule], history)[0]) == fired


@given(values, st.integers(1, 4))
def test_a_rule_never_fires_while_it_is_clear_or_unknown(found: list[float | None], for_snapshots: int) -> None:
    history = curve("isoscore", found)
    value_at = dict(zip(history.steps, found, strict=True))
    assert all(value_at[step] == HIGH for step in live(Above("isoscore", 0.5, for_snapshots=for_snapshots), history))


@given(values, values)
def test_rules_do_not_disturb_one_another(one: list[float | None], two: list[float | None]) -> None:
    n = min(len(one), len(two))
    rules = Above("isoscore", 0.5), Above("mean_cosine", 0.5, for_snapshots=2)
    both = History.of(
        "word",
        {i: {k: v for k, v in (("isoscore", one[i]), ("mean_cosine", two[i])) if v is not None} for i in range(n)},
    )
    together, _ = replay(rules, both)
    for rule in rules:
        assert [a for a in together if a.rule == rule.name] == list(replay([rule], both)[0])


@given(values, st.integers(1, 3), st.integers(1, 4))
def test_a_worker_that_is_behind_skips_snapshots_and_loses_no_lasting_episode(
    found: list[float | None], for_snapshots: int, every: int
) -> None:
    history, rule = curve("isoscore", found), Above("isoscore", 0.5, for_snapshots=for_snapshots)
    state, fired = None, []
    for n in range(every, len(history) + 1, every):
        alerts, state = evaluate([rule], up_to(history, n), state)
        fired += steps(alerts)
    seen = [n - 1 for n in range(every, len(history) + 1, every)]
    # Wherever one who looks now and then sees the end of an episode long enough, it has fired in that episode.
    known = [(s, v["isoscore"] > 0.5) for s, v in zip(history.steps, history.scalars, strict=True) if finite(v)]
    for holds, part in groupby(known, key=lambda pair: pair[1]):
        episode = [step for step, _ in part]
        looked = [history.steps[i] for i in seen if history.steps[i] in episode]
        due = [step for step in looked if episode.index(step) >= for_snapshots - 1] if holds else []
        assert [step for step in fired if step in episode] == due[:1]


def test_the_newest_snapshot_is_judged_and_older_ones_count() -> None:
    history = curve("isoscore", [HIGH, HIGH, HIGH])
    assert steps(evaluate([Above("isoscore", 0.5, for_snapshots=3)], history)[0]) == [200]
    assert steps(evaluate([Above("isoscore", 0.5, for_snapshots=4)], history)[0]) == []
    assert steps(evaluate([Above("isoscore", 0.5)], curve("isoscore", [HIGH, LOW]))[0]) == []


def test_the_same_snapshot_twice_fires_once() -> None:
    history = curve("isoscore", [LOW, HIGH])
    rule = Above("isoscore", 0.5, for_snapshots=1)
    alerts, state = evaluate([rule], history)
    assert steps(alerts) == [100]
    assert evaluate([rule], history, state) == ((), state)


def test_training_that_went_back_fires_again_what_is_gone_and_not_what_stays() -> None:
    rules = [Above("isoscore", 0.5), Above("mean_cosine", 0.5)]
    early = {0: {"isoscore": LOW, "mean_cosine": LOW}, 100: {"isoscore": HIGH, "mean_cosine": LOW}}
    late = {200: {"isoscore": HIGH, "mean_cosine": LOW}, 300: {"isoscore": HIGH, "mean_cosine": HIGH}}
    alerts, state = replay(rules, History.of("word", {**early, **late}))
    assert [(a.rule, a.step) for a in alerts] == [("isoscore above 0.5", 100), ("mean_cosine above 0.5", 300)]
    again = {**early, 150: {"isoscore": HIGH, "mean_cosine": HIGH}}
    alerts, state = evaluate(rules, History.of("word", again), state)
    assert [(a.rule, a.step) for a in alerts] == [("mean_cosine above 0.5", 150)]
    assert state.step == 150


def test_each_word_has_its_own_episodes() -> None:
    rule = DriftTowards("negative", ("a", "b"), looks=4)
    p = {0: (0.9, 0.9), 1: (1e-4, 0.9), 2: (1e-4, 1e-4), 3: (0.9, 1e-4), 4: (1e-4, 1e-4)}
    evidence = {step: [moved("a", a), moved("b", b)] for step, (a, b) in p.items()}
    alerts, state = replay([rule], History.of("word", {step: {} for step in p}, evidence=evidence))
    assert [(a.step, a.evidence["label"]) for a in alerts] == [(1, "a"), (2, "b"), (4, "a")]
    assert state.judged == {rule.name: 5}
    assert alerts[0].evidence["look"] == 2


def test_only_snapshots_with_evidence_count_as_looks() -> None:
    rule = DriftTowards("negative", ("a",))
    evidence = {5: [moved("a", 0.02)]}
    alerts, _ = replay([rule], History.of("word", {step: {} for step in range(6)}, evidence=evidence))
    assert [a.step for a in alerts] == [5]
    assert alerts[0].threshold == pytest.approx(0.025)


def test_what_an_alert_says() -> None:
    rule = Above(
        "isoscore", 0.5, for_snapshots=2, severity="critical", name="odd", message="Look at the sampler.", tables="w*"
    )
    (alert,), _ = evaluate([rule], curve("isoscore", [HIGH, HIGH]))
    assert (alert.table, alert.step, alert.rule, alert.severity) == ("word", 100, "odd", "critical")
    assert (alert.metric, alert.value, alert.threshold) == ("isoscore", HIGH, 0.5)
    assert alert.message == (
        "Look at the sampler: isoscore is 0.9, above 0.5. The rule requires 2 consecutive snapshots."
    )
    assert alert.message_zh.startswith("Look at the sampler：isoscore 为 0.9，高于 0.5。")
    assert alert.to_dict()["computed_step"] == 100


def test_changes_keep_their_evidence() -> None:
    (alert,), _ = evaluate([Changes("isoscore", 0.5)], curve("isoscore", [LOW, HIGH]))
    assert alert.evidence == {"before": LOW, "now": HIGH, "before_step": 0, "relative": False}
    assert alert.value == pytest.approx(0.8)
    assert "rose from 0.1 (step 0) to 0.9, by 0.8" in alert.message


def test_rules_for_other_tables_are_passed_over() -> None:
    rules = [Above("isoscore", 0.5, tables="item*")]
    assert evaluate(rules, curve("isoscore", [HIGH]))[0] == ()
    assert len(evaluate(rules, curve("isoscore", [HIGH], table="items"))[0]) == 1


def test_an_empty_history_raises_no_alert() -> None:
    assert evaluate(default_rules(), History.of("word", {})) == ((), RuleState())


def test_the_default_rules_are_calm_and_see_what_broke() -> None:
    healthy = {"nonfinite_rows": 0.0, "num_rows": 500.0, "mean_cosine": 0.3}
    course = {step: {**healthy, "effective_rank": 60.0 - step / 50} for step in range(0, 2000, 100)}
    assert replay(default_rules(), History.of("word", course))[0] == ()
    course[2000] = {"nonfinite_rows": 500.0, "num_rows": 0.0}
    (alert,), _ = replay(default_rules(), History.of("word", course))
    assert (alert.rule, alert.step, alert.severity) == ("non-finite rows", 2000, "critical")


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Two rules are named 'isoscore above 0\.5'"):
        evaluate([Above("isoscore", 0.5), Above("isoscore", 0.5, for_snapshots=2)], curve("isoscore", [HIGH]))
    with pytest.raises(TypeError, match="not str"):
        evaluate(["above"], curve("isoscore", [HIGH]))  # type: ignore[list-item]


def test_a_rule_that_is_gone_leaves_the_state() -> None:
    _, state = evaluate([Above("isoscore", 0.5), NonFinite()], curve("isoscore", [HIGH]))
    _, state = evaluate([NonFinite()], curve("isoscore", [LOW, HIGH]), state)
    assert state == RuleState(100)
