"""Every expression that deploy/ ships, and what it names."""

import re
from pathlib import Path

import yaml

from deploy_tree import DEPLOY, ROOT

RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
# Labels that Prometheus or its discovery adds, and those of buckets.
ADDED_LABELS = {"job", "instance", "le", "namespace", "pod"}
# Prometheus' own.
OWN_METRICS = {"up": ADDED_LABELS}
METRIC = re.compile(r"(?<![\w:$])((?:scanserve|process)[_:][\w:]+|up)\b(?:\s*\{([^}]*)\})?")
LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def documented() -> dict[str, set[str]]:
    """The metrics of docs/metrics.md with their labels, each histogram as its three series."""
    metrics = {}
    row = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*)\|", re.MULTILINE)
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, kind, labels in row.findall(text):
        names = {each.strip(" `") for each in labels.split(",")} - {""} | ADDED_LABELS
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            metrics[name + suffix] = names
    return metrics


def rule_groups() -> list[dict]:
    return [group for path in RULES
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]


def rules(kind: str) -> list[dict]:
    """All rules of a kind: "alert" or "record"."""
    return [rule for group in rule_groups() for rule in group["rules"] if kind in rule]


def adapter_queries() -> list[str]:
    """What prometheus-adapter asks for, for the pods of a namespace."""
    found = []
    text = (DEPLOY / "prometheus" / "adapter.yml").read_text(encoding="utf-8")
    for rule in yaml.safe_load(text)["rules"]:
        series = re.match(r"\w+", rule["seriesQuery"]).group()
        assert re.fullmatch(rule["name"]["matches"], series)
        filled = {"<<.Series>>": series, "<<.GroupBy>>": "pod",
                  "<<.LabelMatchers>>": 'namespace="scanserve",pod=~"scanserve-0|scanserve-1"'}
        query = rule["metricsQuery"]
        for placeholder, value in filled.items():
            query = query.replace(placeholder, value)
        found += [rule["seriesQuery"], query]
    return found


def name_faults(expression: str, known: dict[str, set[str]]) -> list[str]:
    """Metrics and labels of an expression that no scrape shows."""
    recorded = {rule["record"] for rule in rules("record")}
    faults, labels_of_all = [], set(ADDED_LABELS)
    for name, selector in METRIC.findall(expression):
        if name in recorded:
            labels_of_all.add("model")
            continue
        labels = (known | OWN_METRICS).get(name)
        if labels is None:
            faults.append(f"{name} is no metric")
            continue
        labels_of_all |= labels
        faults += [f"{name} has no label {each}" for each in LABEL.findall(selector)
                   if each not in labels]
    for group in GROUPING.findall(expression):
        faults += [f"no metric here has the label {each}" for each in
                   (part.strip() for part in group.split(",")) if each and
                   each not in labels_of_all]
    return faults


def as_rule_file(expressions: list[str], folder: Path) -> Path:
    """A file that promtool reads, so that it says whether each expression parses."""
    path = folder / "expressions.yml"
    entries = [{"record": f"expression{number}", "expr": each}
               for number, each in enumerate(expressions)]
    path.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": entries}]}),
                    encoding="utf-8")
    return path
