#!/bin/bash
# store.sh redis ADDRESS FILE | galera ADDRESS FILE — a client that writes without end. Runs in a guest, until it is killed.
# A line of FILE is a number that was acknowledged, and when (seconds). Numbers are never used twice.
#   redis   sets key:NUMBER; acknowledged: one replica has it too (WAIT)
#   galera  inserts into the table orders of the database shop; acknowledged: committed
set -euo pipefail
kind=${1:?kind} address=$2 file=$3
trap '' PIPE
exec {never}<> <(:)
nap() { read -r -t "$1" -u "$never" || :; }
n=0
while :; do
  case $kind in
  redis)
    { exec 3<> "/dev/tcp/$address/6379"; } 2> /dev/null || { nap 0.2; continue; }
    while n=$(( n + 1 )) && printf 'SET key:%d %d\r\nWAIT 1 500\r\n' $n $n >&3 2> /dev/null; do
      # Both on one connection: after a new one WAIT would know nothing of what was set before.
      read -r -t 2 -u 3 set && read -r -t 2 -u 3 replicas && [ "$set" = $'+OK\r' ] || break
      [ "$replicas" != $':1\r' ] || echo "$n $EPOCHREALTIME" >> "$file"
      nap 0.01
    done
    exec 3>&- ;;
  galera)
    while n=$(( n + 1 )) && printf 'insert into orders values (%d); select concat(%d, " ", unix_timestamp(now(6)));\n' $n $n; do nap 0.02; done 2> /dev/null |
      mysql --user=shop --host="$address" --connect-timeout=2 --skip-reconnect --unbuffered --skip-column-names shop >> "$file" 2>> "$file.errors" || :
    n=$(( n + 1000000 )) ;;
  *) exit 64 ;;
  esac
  nap 0.1
done
