"""The checked-in files are what the Python definitions make, and Grafana's own model reads them."""

import json
import re
from itertools import combinations

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Model

from dashboards.files import DASHBOARDS, FOLDER, KUBERNETES, contents
from dashboards.spec import queries
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
    """What it wrote again has all that was read; to tables it adds its defaults."""
    register_default_plugins()
    again = json.loads(JSONEncoder().encode(Model.from_json(shipped)))
    assert set(parts(shipped)) - set(parts(again)) == set()


def panels(shipped):
    return [panel for panel in shipped["panels"] if panel["type"] != "row"]


def test_panels_have_ids_of_their_own_and_do_not_overlap(shipped):
    ids = [panel["id"] for panel in shipped["panels"]]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    places = [panel["gridPos"] for panel in shipped["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
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
    there = {variable["name"] for variable in shipped["templating"]["list"]} | {"__rate_interval", "__range"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(shipped["panels"]))) == there - unused(shipped)


def unused(shipped):
    """A dashboard need not use both of Grafana's own."""
    return {name for name in ("__rate_interval", "__range") if name not in json.dumps(shipped["panels"])}


def test_every_metric_of_the_node_is_on_a_dashboard():
    shown = " ".join(promql for dashboard in DASHBOARDS for _, promql in queries(dashboard))
    rules = " ".join(path.read_text() for path in (FOLDER / "rules").glob("*.yml"))
    rows = (*table.INHERITED_RUNTIME, *table.INHERITED_NODE, *table.OWN_RUNTIME, *table.OWN_NODE)
    nowhere = {row.name for row in rows if row.name not in shown and row.name not in rules}
    # Constants of the instance; swap, which an inference node does not use; pods and jobs, which only a cluster has.
    assert nowhere == {
        "neuroncore_pod_info",
        "neuroncore_job_info",
        "neuron_hardware_info", "system_swap_total_bytes", "system_swap_used_bytes", "system_vcpu_count"}  # fmt: skip
