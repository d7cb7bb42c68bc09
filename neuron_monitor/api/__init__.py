"""The HTTP interface beside ``/metrics``: the last report, a summary of it, and a stream of reports, as JSON."""
