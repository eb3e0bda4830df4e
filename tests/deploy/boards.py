"""The dashboards of deploy/grafana, and what they ask Prometheus."""

import json
import re

from deploy_tree import DEPLOY

GRAFANA = DEPLOY / "grafana"
BOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8"))
          for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
# What Grafana puts in, as any choice of a person would.
FILLED = {"$__rate_interval": "1m", "$instance": ".*", "$model": ".*", "$adapter": ".*",
          "$order": ".*"}


def filled(expression: str) -> str:
    for variable, value in FILLED.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def expressions(board: dict) -> list[str]:
    """All that a dashboard asks: panels, annotations, values of variables."""
    panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    marks = [mark["expr"] for mark in board["annotations"]["list"]]
    values = [re.fullmatch(r"label_values\((.*), \w+\)", each["query"]).group(1)
              for each in board["templating"]["list"] if each["type"] == "query"]
    return [filled(each) for each in panels + marks + values]
