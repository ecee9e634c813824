"""Many devices, one table: the same plan on the laptops of a room, through Dask distributed (an extra, [fleet]).

The desk is the instructor's machine: it runs Dask's scheduler, asks, and gathers. A station is any other machine, under
a name that its owner has chosen: it runs one Dask worker beside its own local service, and measures for itself, into a
run folder of its own. Nothing but JSON texts goes to a station and comes from it.
"""
