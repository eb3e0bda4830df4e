#!/usr/bin/python3
"""Writes the dashboards in dashboards/, by Grafana's own model of a dashboard.

    PYTHONPATH="$(scripts/setup --print-deploy-tools)/python" deploy/grafana/make_dashboards.py

dashboard_panels.py says what they show.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import (common, dashboard, heatmap, prometheus, stat, table,
                                             timeseries)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboard_panels import DASHBOARDS, SELECTOR, Panel

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GRID_COLUMNS = 24
# Each variable with the query of its values.
VARIABLES = {
    "instance": "label_values(scanserve_build_info, instance)",
    "model": 'label_values(scanserve_model_info{instance=~"$instance"}, model)',
    "adapter": f"label_values(scanserve_generated_tokens_total{{{SELECTOR}}}, adapter)",
    "order": f"label_values(scanserve_requests_total{{{SELECTOR}}}, order)",
}


def builder_of(kind: str):
    """What builds a panel of a kind."""
    if kind == "heatmap":
        return heatmap.Panel()
    if kind == "stat":
        return stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    if kind == "table":
        return table.Panel()
    legend = (common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.TABLE)
              .placement(LegendPlacement.BOTTOM).calcs(["mean", "max", "lastNotNull"]))
    return timeseries.Panel().legend(legend).fill_opacity(10).min(0)


def built(panel: Panel, number: int, column: int, row: int):
    """A panel in its place."""
    made = (builder_of(panel.kind).id(number).title(panel.title).description(panel.description)
            .unit(panel.unit).datasource(SOURCE)
            .grid_pos(model.GridPos(x=column, y=row, w=panel.width, h=panel.height)))
    for index, (expression, legend) in enumerate(panel.queries):
        query = (prometheus.Dataquery().expr(expression).legend_format(legend)
                 .ref_id(chr(ord("A") + index)).datasource(SOURCE))
        if panel.kind == "heatmap":
            query = query.format(PromQueryFormat.HEATMAP).range()
        elif panel.kind == "table":
            query = query.format(PromQueryFormat.TABLE).instant()
        else:
            query = query.range()
        made = made.with_target(query)
    return made


def switches():
    """A mark where another scan setting goes into force: the first minute of its series."""
    series = f"scanserve_active_scan_info{{{SELECTOR}}}"
    return (dashboard.AnnotationQuery().name("Active setting").datasource(SOURCE).enable(True)
            .icon_color("orange").expr(f"{series} unless {series} offset 1m"))


def made(name: str, title: str, panels: list[Panel]):
    """A dashboard, its panels from left to right and down."""
    board = (dashboard.Dashboard(f"ScanServe: {title}").uid(f"scanserve-{name}")
             .tags(["scanserve"]).refresh("15s").time("now-1h", "now").timezone("browser")
             .readonly().annotation(switches())
             .with_variable(dashboard.DatasourceVariable("datasource").label("Data source")
                            .type("prometheus"))
             .link(dashboard.DashboardLink("Others").type(model.DashboardLinkType.DASHBOARDS)
                   .tags(["scanserve"]).include_vars(True).keep_time(True)))
    for variable, query in VARIABLES.items():
        board = board.with_variable(
            dashboard.QueryVariable(variable).label(variable.capitalize()).datasource(SOURCE)
            .query(query).refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True)
            .include_all(True).all_value(".*")
            .current(model.VariableOption(selected=True, text="All", value="$__all")))
    column = row = 0
    for number, panel in enumerate(panels, 1):
        if column + panel.width > GRID_COLUMNS:
            column, row = 0, row + panels[number - 2].height
        board = board.with_panel(built(panel, number, column, row))
        column += panel.width
    return board.build()


def texts() -> dict[str, str]:
    """Each file's name and what is in it."""
    return {f"{name}.json": json.dumps(made(name, title, panels), cls=JSONEncoder, indent=1,
                                       sort_keys=True) + "\n"
            for name, (title, panels) in DASHBOARDS.items()}


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    for file, text in texts().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
