"""Generate the page ``docs/reference/metrics.md`` from the metric table; run by ``make docs``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neuron_monitor.prometheus import table
from neuron_monitor.prometheus.buckets import LE_LABELS, NATIVE_SCHEMA
from neuron_monitor.prometheus.own import Exporter, own_metrics
from neuron_monitor.prometheus.table import Metric, T

_HEAD = """# Metrics

```
neuron-monitor --prometheus                          # one process, http://127.0.0.1:8000/metrics
neuron-monitor | neuron-monitor-prometheus.py        # the same at the end of a pipe
neuron-monitor --textfile /var/lib/prometheus/node-exporter/neuron.prom
neuron-monitor --otlp grpc://collector:4317          # or http://collector:4318
```

The server listens on loopback unless `--web.listen-address` gives another address (`:8000` is every address). `-c FILE`
selects the groups and their periods, as for the stream. The page is rendered once per report; a scrape only sends it.
The `Accept` header selects the text format, OpenMetrics or protobuf; gzip is supported. Protobuf contains the
histogram's native buckets in addition to the classic ones; a Prometheus server requests it if native histograms are
enabled. `/-/healthy` returns 200 while the process answers; `/-/ready` returns 200 if there is a report that is not
older than a minute (or than three periods).

Every series has the instance labels ({instance}),
and every series of a runtime also has `runtime_tag`. A runtime that has ended disappears with the next report. Runtimes
with the same tag form one series: counters and memory are their sums, and the latency is that of the slowest one. While
one of them is alive, the tag's counters do not decrease. If the tag returns after its last runtime ended, its counters
start again, at the time in `_created`. A value that is unknown has no series; it is never shown as 0.

With `neuron-monitor-prometheus.py`, metrics that are not in the stream are missing: the histogram, links and the memory
of devices.
"""

_WEB = """## TLS and users

`--web.config.file FILE` reads the [web configuration of Prometheus exporters][toolkit]: certificates, client
certificates and their allowed names, users with bcrypt hashes, headers. `promtool check web-config FILE` checks it.

The file and the certificates are read again when they change. A change is rejected if it is invalid, if the file is
incomplete (it does not end with a newline), or if it would lower protection: no TLS, no or optional client
certificates, no users, an older TLS version, fewer headers. The monitor then keeps the current configuration, logs one
line and counts it in `neuron_monitor_web_config_refused_reloads_total`. Only a restart lowers protection.

```yaml
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
basic_auth_users:
  prometheus: $2y$10$...          # htpasswd -nBC 10 prometheus
```

[toolkit]: https://prometheus.io/docs/prometheus/latest/configuration/https/

## OpenTelemetry

The names are the same; counters are cumulative sums. The instance is the resource (`host.id`, `host.type`,
`cloud.region` and so on). Some labels have the names of the semantic conventions:
{attributes}.
The SDK's `OTEL_EXPORTER_OTLP_*` variables set headers, certificates and timeouts.
"""

_COMPLAINTS = """## Warnings of promtool

`promtool check metrics` reports no problems for our own metrics. For the inherited names it reports:
"""


def _rows(metrics: Iterable[Metric[T]]) -> Iterator[str]:
    yield "| name | type | unit | further labels | value |"
    yield "|---|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        unit = "" if metric.unit == "1" else metric.unit.strip("{}")
        yield f"| `{metric.name}` | {metric.kind} | {unit} | {labels} | {metric.help} |"
    yield ""


def _own() -> Iterator[str]:
    yield "| name | type | value |"
    yield "|---|---|---|"
    for own in own_metrics(Exporter(0.0, 0.0, 0, 0.0, 0, 0)):
        yield f"| `{own.name}` | {own.kind} | {own.help} |"
    yield ""


def _lines() -> Iterator[str]:
    from neuron_monitor.otlp.attributes import ATTRIBUTES

    yield _HEAD.format(instance=", ".join(f"`{label}`" for label in table.INSTANCE_LABELS))
    yield "## Inherited metrics of runtimes\n"
    yield from _rows(table.INHERITED_RUNTIME)
    yield "## Inherited metrics of the node\n"
    yield from _rows(table.INHERITED_NODE)
    yield "## Additional metrics of runtimes\n"
    yield from _rows(table.OWN_RUNTIME)
    yield f"Classic buckets of the histogram, in seconds: {', '.join(LE_LABELS)}.\n"
    yield f"Native buckets: schema {NATIVE_SCHEMA}, each {2**2**-NATIVE_SCHEMA - 1:.1%} wider than the one before.\n"
    yield "## Additional metrics of the node\n"
    yield from _rows(table.OWN_NODE)
    yield "## Metrics of the exporter itself\n"
    yield from _own()
    yield "They have no instance labels. The client library adds `process_*` and `python_*`.\n"
    named = ", ".join(f"`{label}` is `{attribute}`" for label, attribute in ATTRIBUTES.items())
    yield _WEB.replace("{attributes}", named)
    yield _COMPLAINTS
    yield from (f"- `{name}`: {complaint}" for name, complaint in table.INHERITED_COMPLAINTS.items())


def markdown() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
