"""The part of Prometheus that evaluates rules: series over (virtual) time, and expressions over them."""
