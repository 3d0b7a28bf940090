"""The contest behind benchmarks/stream.py, in the order of the work.

command.py    arguments → data → rounds → figures → JSON
data.py       a made-up world → our dataset root, and the same samples for each peer
peers.py      an environment with the peers, made on demand
job.py        what one process of the contest is to do, and what it found out
run.py        one such process: a contestant reads epochs, or resumes
ours.py bare.py webdataset_peer.py mds_peer.py litdata_peer.py    the contestants
decoding.py   the one decode function of all of them
measure.py    CPU seconds and memory of a process and its descendants
figures.py    what the processes found out → figures
"""
