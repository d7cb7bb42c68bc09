"""The checked-in files equal those generated from Python, and Grafana's own model can read them."""

import json
import re
from itertools import combinations
from urllib.parse import urlsplit

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Model

from dashboards.files import DASHBOARDS, FOLDER, KUBERNETES, contents
from dashboards.spec import queries
from neuron_console import palette
from neuron_monitor.prometheus import table

PATHS = sorted((FOLDER / "json").glob("*.json"))


def test_what_is_checked_in_is_what_the_definitions_make():
    made = contents()
    checked_in = {*FOLDER.glob("json/*"), *FOLDER.glob("rules/*")}
    assert made.keys() == checked_in | {KUBERNETES / "prometheusrule.yaml"}
    stale = [path.name for path, text in made.items() if path.read_text() != text]
    assert not stale, "run python -m dashboards"


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def shipped(request):
    return json.loads(request.param.read_text())


def parts(value, place=""):
    """(place, value) of everything in a JSON document."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from parts(inner, f"{place}.{key}")
    else:
        yield place, json.dumps(value)


def test_the_model_of_grafana_reads_all_of_a_dashboard(shipped):
    """The written JSON contains everything that was read; defaults are added to tables."""
    register_default_plugins()
    again = json.loads(JSONEncoder().encode(Model.from_json(shipped)))
    assert set(parts(shipped)) - set(parts(again)) == set()


def panels(shipped):
    """The panels in open and in collapsed rows."""
    closed = [panel for row in shipped["panels"] for panel in row.get("panels") or ()]
    return [panel for panel in shipped["panels"] if panel["type"] != "row"] + closed


def rows(shipped):
    return [panel for panel in shipped["panels"] if panel["type"] == "row"]


def test_panels_have_ids_of_their_own_and_do_not_overlap(shipped):
    ids = [panel["id"] for panel in (*panels(shipped), *rows(shipped))]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    open_ones = [panel["gridPos"] for panel in shipped["panels"]]
    closed = [[panel["gridPos"] for panel in row["panels"]] for row in rows(shipped) if row.get("collapsed")]
    assert closed
    assert all(place["x"] + place["w"] <= 24 for places in (open_ones, *closed) for place in places)
    for one, other in (pair for places in (open_ones, *closed) for pair in combinations(places, 2)):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_every_panel_is_explained_and_asks_the_chosen_data_source(shipped):
    assert shipped["templating"]["list"][0]["name"] == "datasource"
    for panel in panels(shipped):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_variables_that_are_used_are_there(shipped):
    there = {variable["name"] for variable in shipped["templating"]["list"]} | {
        "__rate_interval", "__range", "__field", "__data", "__url_time_range"}  # fmt: skip
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(shipped["panels"]))) == there - unused(shipped)


def unused(shipped):
    """A dashboard need not use both of Grafana's own."""
    return {name for name in ("__rate_interval", "__range") if name not in json.dumps(shipped["panels"])}


def test_every_metric_of_the_node_is_on_a_dashboard():
    shown = " ".join(promql for dashboard in DASHBOARDS for _, promql in queries(dashboard))
    rules = " ".join(path.read_text() for path in (FOLDER / "rules").glob("*.yml"))
    rows = (*table.INHERITED_RUNTIME, *table.INHERITED_NODE, *table.OWN_RUNTIME, *table.OWN_NODE)
    nowhere = {row.name for row in rows if row.name not in shown and row.name not in rules}
    # Constants of the instance; swap, which inference nodes do not use; Slurm jobs, which exist only in Slurm clusters.
    assert nowhere == {
        "neuroncore_job_info",
        "neuron_hardware_info", "system_swap_total_bytes", "system_swap_used_bytes", "system_vcpu_count"}  # fmt: skip


def test_links_lead_to_a_dashboard_and_keep_the_time_range(shipped):
    read = [json.loads(path.read_text()) for path in PATHS]
    variables = {other["uid"]: {v["name"] for v in other["templating"]["list"]} for other in read}
    links = [
        (p, link) for p in panels(shipped) for link in p.get("fieldConfig", {}).get("defaults", {}).get("links", ())
    ]
    assert links
    for panel, link in links:
        address = urlsplit(link["url"])
        assert address.path.removeprefix("/d/") in variables
        first, *chosen, last = address.query.split("&")
        assert (first, last) == ("${datasource:queryparam}", "${__url_time_range}")
        place = "__data.fields" if panel["type"] == "table" else "__field.labels"
        for wish in chosen:
            name, label = re.fullmatch(r"var-(\w+)=\$\{([\w.]+)\}", wish).groups()
            assert name in variables[address.path.removeprefix("/d/")]
            assert label.startswith(place)


def test_graphs_draw_objectives_and_many_lines_have_a_sorted_table(shipped):
    graphs = [panel for panel in panels(shipped) if panel["type"] == "timeseries"]
    with_objective = [p for p in graphs if p["fieldConfig"]["defaults"].get("thresholds")]
    assert {"Latency, p99", "Quantiles"} & {panel["title"] for panel in with_objective}
    for panel in with_objective:
        assert panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "dashed"}
    many = [p for p in graphs if p["targets"][0]["expr"].startswith("topk(16,")]
    assert many
    for panel in many:
        legend = panel["options"]["legend"]
        assert (legend["displayMode"], legend["sortBy"], legend["sortDesc"]) == ("table", "Last *", True)


def test_colours_are_those_of_the_screens(shipped):
    ours = {value for value in vars(palette).values() if isinstance(value, str) and value.startswith("#")}
    written = set(re.findall(r'"(?:color|fixedColor|iconColor)": "([^"]+)"', json.dumps(shipped)))
    written.discard("rgba(255,0,255,0.7)")  # A field of Grafana for exemplars, which do not exist here.
    assert written
    assert written - ours == set()
