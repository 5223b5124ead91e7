#!/bin/bash
# A fence agent for one test: as fence-unit.sh, and it writes down who it is and what it can reach: in /srv/probe, where it may.
# (cpectl asks it for its metadata too, as root.)
set -euo pipefail
input=$(cat)
action=${input##*action=}
{
  echo "action=$action user=$(id -un) groups=$(id -Gn) home=$HOME"
  grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status
  cat /proc/self/cgroup
  echo "secrets: $(cat /etc/cpe/secrets/probe 2>&1 || :)"
  echo "state: $(ls /var/lib/dpe/ledger 2>&1 || :)"
  echo "written: $(touch /etc/written 2>&1 && echo yes || :)"
  echo "noted: $(touch ~/.ssh/known_hosts ~/new 2>&1 && echo yes || :)"
  echo "known: $(cat ~/.ssh/known_hosts)"
  case $input in *password=tops3cret*) echo "it has the password" ;; esac
  key=$(sed -n 's/^identity_file=//p' <<< "$input")
  [ -z "$key" ] || echo "key: $(cat "$key")"
} >> "/srv/probe/report-$(id -un)"
echo "password is tops3cret" >&2
printf '%s\n' "$input" | exec /usr/sbin/fence_unit
