"""The dashboards of deploy/grafana: what Grafana reads, and that each expression shows something."""

import json
import subprocess
import sys

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from boards import BOARDS, GRAFANA, expressions
from deploy_tree import DEPLOY, run
from expressions import as_rule_file, documented, name_faults


def structure_faults(board: dict) -> list[str]:
    """What a person would miss in a dashboard."""
    faults = []
    variables = [each["name"] for each in board["templating"]["list"]]
    if variables != ["datasource", "instance", "model", "adapter", "order"]:
        faults.append(f"variables are {variables}")
    if not any("scanserve_active_scan_info" in mark["expr"]
               for mark in board["annotations"]["list"]):
        faults.append("switches are not marked")
    taken = {}
    for panel in board["panels"]:
        name = panel["title"]
        faults += [f"{name}: no {key}" for key in ("title", "description", "targets")
                   if not panel.get(key)]
        if panel["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
            faults.append(f"{name}: another data source")
        if not panel["fieldConfig"]["defaults"].get("unit"):
            faults.append(f"{name}: no unit")
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            faults.append(f"{name}: stands out of the grid")
        for column in range(place["x"], place["x"] + place["w"]):
            for row in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((column, row), name)
                if other != name:
                    faults.append(f"{name}: lies on {other}")
    identities = [panel["id"] for panel in board["panels"]]
    if len(set(identities)) != len(identities):
        faults.append("two panels have one id")
    return list(dict.fromkeys(faults))


def test_the_dashboards_are_there():
    assert {name: board["title"] for name, board in BOARDS.items()} == {
        "overview": "ScanServe: overview", "latency": "ScanServe: latency",
        "engine": "ScanServe: engine", "ab": "ScanServe: A/B"}


def test_the_files_are_what_the_panels_say():
    code = "import json, make_dashboards; print(json.dumps(make_dashboards.texts()))"
    made = subprocess.run([sys.executable, "-c", code], cwd=GRAFANA, capture_output=True,
                          text=True, check=True).stdout
    assert json.loads(made) == {
        path.name: path.read_text(encoding="utf-8")
        for path in (GRAFANA / "dashboards").glob("*.json")}


@pytest.mark.parametrize("name", BOARDS)
def test_grafana_knows_every_field(name):
    read = model.Dashboard.from_json(BOARDS[name])
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == BOARDS[name]


def test_a_field_that_grafana_does_not_know_is_found():
    board = json.loads(json.dumps(BOARDS["overview"]))
    board["panels"][0]["titel"] = "Servers"
    read = model.Dashboard.from_json(board)
    assert json.loads(json.dumps(read, cls=JSONEncoder)) != board


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name):
    assert structure_faults(BOARDS[name]) == []


@pytest.mark.parametrize("plant, said", [
    (lambda board: board["templating"]["list"].pop(), "variables are"),
    (lambda board: board["annotations"].update(list=[]), "switches are not marked"),
    (lambda board: board["panels"][3]["gridPos"].update(x=0), "lies on"),
    (lambda board: board["panels"][3]["gridPos"].update(x=22), "out of the grid"),
    (lambda board: board["panels"][3].update(description=""), "no description"),
    (lambda board: board["panels"][3]["fieldConfig"]["defaults"].pop("unit"), "no unit"),
    (lambda board: board["panels"][3].update(datasource={"uid": "x"}), "another data source"),
    (lambda board: board["panels"][3].update(id=1), "two panels have one id"),
])
def test_a_broken_dashboard_is_found(plant, said):
    board = json.loads(json.dumps(BOARDS["overview"]))
    plant(board)
    assert any(said in each for each in structure_faults(board))


@pytest.mark.parametrize("name", BOARDS)
def test_every_expression_parses_and_names_what_exists(name, tmp_path):
    asked = expressions(BOARDS[name])
    assert len(asked) > len(BOARDS[name]["panels"])
    result = run("promtool", "check", "rules", as_rule_file(asked, tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert [fault for each in asked for fault in name_faults(each, documented())] == []


@pytest.mark.parametrize("expression", ["sum(rate(up[1m])", "rate(up)", "up{job=}"])
def test_an_expression_that_does_not_parse_is_found(expression, tmp_path):
    assert run("promtool", "check", "rules", as_rule_file([expression], tmp_path)).returncode != 0


def test_the_dashboards_are_provisioned_where_compose_mounts_them():
    providers = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/scanserve.yml").read_text(encoding="utf-8"))
    sources = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    mounts = dict(each.split(":")[:2][::-1] for each in services["grafana"]["volumes"])
    path = providers["providers"][0]["options"]["path"]
    assert mounts[path] == "./grafana/dashboards"
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"
    assert "prometheus" in services
