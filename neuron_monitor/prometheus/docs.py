"""The page ``docs/reference/metrics.md``, from the metric table. ``make docs`` writes it."""

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

All listen on loopback unless `--web.listen-address` says otherwise (`:8000` is every address). `-c FILE` says which
groups are looked at and how often, as for the stream. The page is made once a report; a scrape sends it. `Accept`
chooses between the text format, OpenMetrics and protobuf; gzip is spoken. Protobuf carries the histogram's native
buckets beside the classic ones: a Prometheus server asks for it when native histograms are on. `/-/healthy` says that
the process answers, `/-/ready` that there is a report and that it is not older than a minute (or than three periods).

Every series carries the instance labels ({instance}),
those of a runtime also `runtime_tag`. A runtime that ended is missing from the next report on. Runtimes of one tag make
one series: counters and memory are their sums, of latencies the worst is shown. As long as one of them lives, the tag's
counters don't go back; when the tag comes back after its last one ended, its counters begin anew, and `_created` says
when. What is not known makes no series: it is never shown as 0.

In the pipe form what the stream does not carry is missing: the histogram, links and the devices' memory.
"""

_WEB = """## TLS and users

`--web.config.file FILE` reads the [file of Prometheus' exporters][toolkit]: certificates, client certificates and the
names that they may have, users with bcrypt hashes, headers. `promtool check web-config FILE` checks it.

The file and the certificates are read again when they change. A change is not used if it is invalid, if the file is
not whole (it no longer ends with a newline), or if it would lower protection: no TLS, no or optional client
certificates, no users, an older TLS version, fewer headers. The monitor then keeps what is in force, logs one line and
counts it in `neuron_monitor_web_config_refused_reloads_total`. Only a restart lowers protection.

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
`cloud.region` and so on), and labels that the semantic conventions have a name for bear it:
{attributes}.
The SDK's `OTEL_EXPORTER_OTLP_*` variables give headers, certificates and timeouts.
"""

_COMPLAINTS = """## What promtool says

`promtool check metrics` has nothing to say of our own metrics. Of the inherited names it complains of:
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
    yield "## Inherited: of runtimes\n"
    yield from _rows(table.INHERITED_RUNTIME)
    yield "## Inherited: of the node\n"
    yield from _rows(table.INHERITED_NODE)
    yield "## Ours: of runtimes\n"
    yield from _rows(table.OWN_RUNTIME)
    yield f"Classic buckets of the histogram, in seconds: {', '.join(LE_LABELS)}.\n"
    yield f"Native buckets: schema {NATIVE_SCHEMA}, each {2**2**-NATIVE_SCHEMA - 1:.1%} wider than the one before.\n"
    yield "## Ours: of the node\n"
    yield from _rows(table.OWN_NODE)
    yield "## Of the exporter itself\n"
    yield from _own()
    yield "These bear no instance labels; `process_*` and `python_*` of the client library stand beside them.\n"
    named = ", ".join(f"`{label}` is `{attribute}`" for label, attribute in ATTRIBUTES.items())
    yield _WEB.replace("{attributes}", named)
    yield _COMPLAINTS
    yield from (f"- `{name}`: {complaint}" for name, complaint in table.INHERITED_COMPLAINTS.items())


def markdown() -> str:
    """The page."""
    return "\n".join(_lines()) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
