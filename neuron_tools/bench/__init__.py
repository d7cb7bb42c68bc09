"""neuron-bench: throughput, latency and cost of a model on Inf1, under the real or a virtual clock."""
