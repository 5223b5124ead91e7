#!/bin/bash
# The service of walker.sh: counts from $2 on, and writes down how far it came when it is asked to move.
set -euo pipefail
count=$2
trap 'echo "$count" > "/srv/shared/$1.count"; exit 0' TERM
while :; do
  sleep 0.1 &
  wait $!
  count=$((count + 1))
done
