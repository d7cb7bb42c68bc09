"""Virtual fleets: nodes whose counters are computed when somebody asks, as a function of seed and time."""
