from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.alerts import (
    KINDS,
    Above,
    Below,
    Changes,
    Collapsed,
    DriftTowards,
    GroupMixing,
    NonFinite,
    RulesError,
    TailCrowding,
    default_rules,
    load_rules,
)

TOML = """
[[rule]]
kind = "above"
metric = "mean_cosine"
value = 1
for_snapshots = 3
severity = "critical"
name = "余弦"
message = "看看采样"
tables = "encoder.*"

[[rule]]
kind = "below"
metric = "tsne/trustworthiness"
value = 0.8

[[rule]]
kind = "changes"
metric = "watch/加息/displacement"
by = 0.2
relative = true
within = 5
direction = "up"

[[rule]]
kind = "group_mixing"
group = "positive"
over = 0.3

[[rule]]
kind = "tail_crowding"
over = 0.6

[[rule]]
kind = "drift_towards"
words = ["加息", "降息"]
group = "negative"
alpha = 0.01
looks = 52

[[rule]]
kind = "non_finite"
rows = 2

[[rule]]
kind = "collapsed"
rank_share = 0.2
mean_cosine = 0.95
"""
RULES = (
    Above(
        "mean_cosine",
        1,
        for_snapshots=3,
        severity="critical",
        name="余弦",
        message="看看采样",
        tables="encoder.*",
    ),
    Below("tsne/trustworthiness", 0.8),
    Changes("watch/加息/displacement", 0.2, relative=True, within=5, direction="up"),
    GroupMixing("positive", 0.3),
    TailCrowding(0.6),
    DriftTowards("negative", ("加息", "降息"), 0.01, looks=52),
    NonFinite(2),
    Collapsed(0.2, 0.95),
)


def mistakes(source: object) -> tuple[str, ...]:
    with pytest.raises(RulesError) as caught:
        load_rules(source)  # type: ignore[arg-type]
    return caught.value.mistakes


def test_toml_uses_the_words_of_python(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    for text in (TOML, "\ufeff" + TOML):
        path.write_text(text, encoding="utf-8")
        assert load_rules(path) == RULES
        assert load_rules(str(path)) == RULES
    assert {rule.kind for rule in RULES} == set(KINDS)


def test_rules_travel_as_plain_data() -> None:
    for rules in (RULES, default_rules()):
        assert load_rules({"rule": [rule.to_dict() for rule in rules]}) == rules


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"kind": "abov"}, "rule 1, key 'kind': 'abov' is unknown; did you mean 'above'?"),
        ({"metric": "isoscore"}, "rule 1, key 'kind': is missing; known are 'above', 'below', 'changes', "),
        ({"kind": 3}, "rule 1, key 'kind': 3 is unknown; known are 'above'"),
        ({"kind": "below", "metric": "isoscore"}, "rule 1, key 'value': is missing, but 'below' requires it."),
        (
            {"kind": "below", "metric": "isoscore", "value": 1, "for_snapshot": 2},
            "rule 1, key 'for_snapshot': 'below' has no such key; did you mean 'for_snapshots'?",
        ),
        (
            {"kind": "below", "name": "odd", "metric": "isoscores", "value": 1},
            "rule 1 ('odd'), key 'metric': metric 'isoscores' ends in an unknown metric; did you mean 'isoscore'?",
        ),
        (
            {"kind": "above", "metric": "isoscore", "value": "0.5"},
            "rule 1, key 'value': value must be a finite number, not '0.5'.",
        ),
        (
            {"kind": "drift_towards", "group": "negative", "words": "加息"},
            "rule 1, key 'words': words must be a list of labels such as ['加息'], not '加息'.",
        ),
        (
            {"kind": "changes", "metric": "isoscore", "by": 0.1, "direction": "upp"},
            "rule 1, key 'direction': direction must be one of 'any', 'up', 'down', not 'upp'.",
        ),
        ("above", "rule 1 must be a table of keys and values, not 'above'."),
    ],
)
def test_a_mistake_names_the_rule_the_key_and_what_was_expected(rule: object, says: str) -> None:
    (mistake,) = mistakes({"rule": [rule]})
    assert mistake.startswith(says)


def test_all_mistakes_are_reported_at_once() -> None:
    source = {
        "rules": [],
        "rule": [{"kind": "above"}, {"kind": "non_finite"}, {"kind": "non_finite"}, {"kind": "collapsed", "x": 1}],
    }
    found = mistakes(source)
    assert [m.split(":")[0].split(";")[0] for m in found] == [
        "unknown key 'rules'",
        "rule 1, key 'metric'",
        "rule 1, key 'value'",
        "rule 3 ('non-finite rows'), key 'name'",
        "rule 4, key 'x'",
    ]


@pytest.mark.parametrize("source", [{}, {"rule": []}])
def test_no_rule_at_all_is_a_mistake(source: dict[str, object]) -> None:
    assert mistakes(source) == ("it has no rules; write at least one [[rule]] table.",)


def test_one_bracket_too_few_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[rule]\nkind = "collapsed"\n')
    assert "[[rule]], with double brackets" in mistakes(path)[0]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no rules file .*nothing\.toml"):
        load_rules(tmp_path / "nothing.toml")
    assert "it cannot be read" in mistakes(tmp_path)[0]
    path = tmp_path / "rules.toml"
    path.write_bytes("kind = '余弦'".encode("gbk"))
    assert mistakes(path)[0].startswith("it is not UTF-8 text")
    path.write_text("[[rule]\n")
    assert mistakes(path)[0].startswith("it is not valid TOML")
    assert "line 1" in mistakes(path)[0]


KEYS = sorted({"metric", "value", "by", "over", "group", "words", "alpha", "looks", "rows", "name", "within"})
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*KINDS, "isoscore", ""]) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
tables = st.fixed_dictionaries({"kind": st.sampled_from([*KINDS, "x"])}, optional=dict.fromkeys(KEYS, plain))


@given(st.dictionaries(st.sampled_from(["rule", "rules"]), plain | st.lists(tables | plain, max_size=4), max_size=2))
def test_any_content_gives_rules_or_an_error(source: dict[str, object]) -> None:
    try:
        rules = load_rules(source)
    except RulesError:
        return
    assert len({rule.name for rule in rules}) == len(rules) > 0
