#!/bin/bash
# A resource agent for one test: a real process, and a stop that never works.
case $1 in
start) setsid /usr/bin/sleep 777001 < /dev/null > /dev/null 2>&1 & exit 0 ;;
monitor) pgrep -xf '/usr/bin/sleep 777001' > /dev/null && exit 0; exit 7 ;;
stop) pgrep -xf '/usr/bin/sleep 777001' > /dev/null || exit 0; echo "ocf-exit-reason:I refuse" >&2; exit 1 ;;
meta-data)
  cat <<'XML'
<?xml version="1.0"?>
<resource-agent name="stubborn" version="1.0">
  <version>1.1</version>
  <longdesc lang="en">Refuses to stop.</longdesc>
  <shortdesc lang="en">Refuses to stop</shortdesc>
  <parameters/>
  <actions>
    <action name="start" timeout="5s"/>
    <action name="stop" timeout="5s"/>
    <action name="monitor" timeout="5s" interval="10s"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>
XML
  exit 0 ;;
validate-all) exit 0 ;;
*) exit 3 ;;
esac
