"""Many independent jobs on local processes or on a Dask cluster; the results do not depend on which."""
