"""The reaper: a separate process, the parent of all runs that a service starts.

It starts runs on order, waits for them, writes starts and ends to its journal, and copies output
into files. It decides nothing, reads no task file, imports almost nothing, and outlives its
service: `python -I -m torch.reaper DIRECTORY`. docs/decisions/022 gives the reasons.

    wire.py       the messages between service and reaper
    journal.py    starts and ends of runs, on disk before they are reported
    spawning.py   from an order to a process
    fronts.py     nice and setpriv, under names that are ours
    output.py     the file of one run: the newest bytes, never more than its cap
    pump.py       the thread that reads FIFOs into files
    service.py    the connection to the service that gives orders
    runs.py       one run as the reaper sees it
    loop.py       the thread that spawns and reaps
    processes.py  finding and signalling everything of a run; the service uses it too
"""
