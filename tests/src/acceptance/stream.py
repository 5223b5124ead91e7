"""Follows the gateway's stream of events, and breaks it at random moments.

stream.py BREAKS UNTIL: prints each cursor that was told, as it came; goes on after BREAKS until the file UNTIL is there and
nothing new comes. What is in the middle of an event when the connection breaks does not count.
"""
import os
import random
import subprocess
import sys
import time

breaks, until = int(sys.argv[1]), sys.argv[2]
seed = random.randrange(1 << 32)
random.seed(seed)
print("seed", seed, file=sys.stderr)
last = "0"


def follow(seconds):
    """The complete events of one connection, which ends after a time."""
    global last
    curl = ["curl", "-sN", "--unix-socket", "/run/cpe-gateway/http.sock", "-H", f"Last-Event-ID: {last}", "http://localhost/v1/events/stream"]
    with subprocess.Popen(curl, stdout=subprocess.PIPE) as process:
        time.sleep(seconds)
        process.kill()
        text = process.stdout.read().decode(errors="replace")
    told = 0
    for event in text.split("\n\n")[:-1]:
        lines = event.split("\n")
        ids = [line[4:] for line in lines if line.startswith("id: ")]
        if any(line.startswith("event: gap") for line in lines):
            print("gap", *ids)
        elif ids:
            print(ids[-1])
            told += 1
        if ids:
            last = ids[-1]
    return told


for _ in range(breaks):
    follow(random.uniform(0.02, 0.9))
while follow(2) or not os.path.exists(until):
    pass
