"""The rules of deploy/prometheus: promtool reads and tests them, and they name what exists."""

import re
from pathlib import Path

import pytest
import yaml

from deploy_tree import DEPLOY, ROOT, copy_of, replace, run
from expressions import (RULES, adapter_queries, as_rule_file, documented, name_faults, rules)
from kubernetes_objects import bytes_of

PROMETHEUS = DEPLOY / "prometheus"
TESTS = sorted((Path(__file__).parent / "prometheus").glob("*_test.yml"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def test_promtool_reads_the_configuration():
    result = run("promtool", "check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml",
                 PROMETHEUS / "prometheus.secure.yml")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(path):
    result = run("promtool", "test", "rules", path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path, old, new", [
    ("server_test.yml", "expr: scanserve_ready == 0", "expr: scanserve_ready == 1"),
    ("server_test.yml", "[30m]) > 2", "[30m]) > 9"),
    ("engine_test.yml", "> 0.9 * max", "> 9 * max"),
    ("engine_test.yml", "timestamp_seconds > 60)", "timestamp_seconds > 6000)"),
    ("engine_test.yml", 'reason="overload"', 'reason="draining"'),
    ("settings_test.yml", "time() < 14 * 86400", "time() < 1 * 86400"),
    ("settings_test.yml", "token_list_stale == 1", "token_list_stale == 0"),
    ("settings_test.yml", "audit_write_failures_total[5m]) > 0",
     "audit_write_failures_total[5m]) >= 0"),
    ("objectives_test.yml", "ratio_rate1h > 0.0144", "ratio_rate1h > 0.144"),
])
def test_the_alert_tests_find(tmp_path, path, old, new):
    tree = copy_of(PROMETHEUS, tmp_path)
    replace(tree / "rules" / "alerts.yml", old, new)
    test = tmp_path / path
    text = next(each for each in TESTS if each.name == path).read_text(encoding="utf-8")
    test.write_text(text.replace("../../../deploy/prometheus", str(tree)), encoding="utf-8")
    assert run("promtool", "test", "rules", test).returncode != 0


def cases() -> dict[str, set[bool]]:
    """For each alert, whether a test expects it to fire and to be quiet."""
    found = {}
    for path in TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                found.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    return found


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule["alert"])
def test_an_alert_is_tested_and_explained(rule):
    name = rule["alert"]
    assert cases().get(name) == {True, False}
    assert f"\n## {name}\n" in RUNBOOK
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
    section = RUNBOOK.split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert section.strip().startswith(f"`{rule['labels']['severity']}`.")


def test_the_runbook_explains_nothing_else():
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == \
        [rule["alert"] for rule in rules("alert")]


@pytest.mark.parametrize("rule", rules("alert") + rules("record"),
                         ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_what_exists(rule):
    assert name_faults(rule["expr"], documented()) == []


@pytest.mark.parametrize("expression, said", [
    ("scanserve_requests", "scanserve_requests is no metric"),
    ('scanserve_ready{model="m"}', "scanserve_ready has no label model"),
    ("sum by (order) (scanserve_queued_requests)", "no metric here has the label order"),
    ("rate(scanserve_step_tokens[5m])", "scanserve_step_tokens is no metric"),
    ("scanserve:no_such:rule", "scanserve:no_such:rule is no metric"),
])
def test_a_name_that_does_not_exist_is_found(expression, said):
    assert said in name_faults(expression, documented())


def test_the_autoscaler_asks_for_what_exists(tmp_path):
    queries = adapter_queries()
    assert len(queries) == 2
    assert [name_faults(each, documented()) for each in queries] == [[], []]
    result = run("promtool", "check", "rules", as_rule_file(queries, tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_file_of_rules_is_loaded():
    assert [each.name for each in RULES] == ["alerts.yml", "recording.yml"]
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert configuration["rule_files"] == ["rules/*.yml"]


def test_the_memory_alert_belongs_to_the_limits():
    text = (DEPLOY / "kubernetes/base/deployment.yaml").read_text(encoding="utf-8")
    limit = bytes_of(re.search(r"limits:\n +memory: (\w+)", text).group(1))
    rule = next(each for each in rules("alert") if each["alert"] == "ScanserveMemoryHigh")
    assert int(rule["expr"].split(">")[1]) == int(0.9 * limit)
    assert "mem_limit: 2g" in (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
