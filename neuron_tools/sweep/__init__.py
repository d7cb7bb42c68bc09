"""Run many independent jobs in local processes or on a Dask cluster, with the same results."""
