"""Attacks on the suite: ``python -m tests.attack`` runs them for a given time, the tests here run a short form."""
