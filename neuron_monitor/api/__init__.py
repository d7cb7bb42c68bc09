"""The HTTP interface beside ``/metrics``: the latest report, a summary of it, and a stream of reports, as JSON."""
