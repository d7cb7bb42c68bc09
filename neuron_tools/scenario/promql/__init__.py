"""The part of Prometheus that tells an alert from its rule: series over (virtual) time, and expressions over them."""
