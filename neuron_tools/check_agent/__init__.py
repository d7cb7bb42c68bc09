"""``neuron-sim check-agent``: a crash test for programs that read neuron-monitor's stream or scrape its metrics."""
