#!/bin/bash
# ledger.sh write ADDRESS FILE | watch FILE — who uses and who watches the replicated database of examples/postgresql.xml.
# Runs in a guest, until it is killed.
#   write  inserts row after row over ADDRESS. A line of FILE is a row whose commit was acknowledged: its number, and when (seconds).
#          Numbers are never used twice, so a row that was under way when the connection broke may be there or not.
#   watch  asks the guest's own server ten times a second whether it is a primary. A line of FILE: when, and `f` (a primary) or `t`.
set -euo pipefail
psql=$(ls -d /usr/lib/postgresql/*/bin/psql | sort -V | tail -n 1)
export PGCONNECT_TIMEOUT=2 PGAPPNAME=ledger
exec {never}<> <(:)
nap() { read -r -t "$1" -u "$never" || :; }
case ${1:?verb} in
write)
  address=$2 file=$3 run=0
  export PGPASSWORD
  insert() { while printf 'insert into ledger values (%d) returning n, extract(epoch from clock_timestamp());\n' $(( run * 1000000 + ++row )) 2> /dev/null; do nap 0.01; done; }
  while :; do
    run=$(( run + 1 )) row=0
    insert | "$psql" -qAtX -F ' ' -v ON_ERROR_STOP=1 "host=$address user=ledger dbname=ledger tcp_user_timeout=2000 keepalives_idle=1 keepalives_interval=1 keepalives_count=2" >> "$file" 2>> "$file.errors" || :
    nap 0.1
  done ;;
watch)
  file=$2
  while :; do
    printf 'select extract(epoch from clock_timestamp()), pg_is_in_recovery() \\watch 0.1\n' |
      runuser -u postgres -- "$psql" -qAtX -F ' ' -h /run/postgresql postgres 2> /dev/null | grep --line-buffered -E '^[0-9.]+ [tf]$' >> "$file" || :
    nap 0.1
  done ;;
*) exit 64 ;;
esac
