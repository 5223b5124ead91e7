#!/bin/bash
# A resource agent for tests of time. Its service is a real process; when it starts and stops is written down by itself,
# with the moment.
name=${OCF_RESOURCE_INSTANCE%%:*}
pidfile=/run/$name.pid
runs() { [ -e "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2> /dev/null; }
mark() { echo "$(date +%s.%N) $1 $name $(uname -n)" >> /srv/shared/marks; }
case $1 in
start)
  [ -w /srv/shared ] || { echo "ocf-exit-reason:it cannot write down when it starts" >&2; exit 1; }
  if ! runs; then
    setsid sleep 86400 < /dev/null > /dev/null 2>&1 &
    echo $! > "$pidfile"
    mark start
  fi ;;
stop)
  if runs; then
    kill -KILL "$(cat "$pidfile")"
    while runs; do sleep 0.02; done
    mark stop
  fi
  rm -f "$pidfile" ;;
monitor) runs || exit 7 ;;
meta-data)
  cat <<'XML'
<?xml version="1.0"?>
<resource-agent name="marker" version="1.0">
  <version>1.1</version>
  <longdesc lang="en">Writes down when it starts and stops.</longdesc>
  <shortdesc lang="en">Marks its time</shortdesc>
  <parameters/>
  <actions>
    <action name="start" timeout="20s"/>
    <action name="stop" timeout="20s"/>
    <action name="monitor" timeout="20s" interval="10s"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>
XML
  ;;
validate-all) ;;
*) exit 3 ;;
esac
exit 0
