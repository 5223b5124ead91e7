#!/bin/bash
# A resource agent for one test. Its service is a real process that counts; a live migration takes the count along
# through the folder that the guests share. What it is asked for, and all that notifications say, is written down there.
name=${OCF_RESOURCE_INSTANCE%%:*}
shared=/srv/shared
pattern="^/bin/bash $shared/count $name "
runs() { pgrep -f "$pattern" > /dev/null; }
begin() {
  setsid /bin/bash $shared/count "$name" "$1" < /dev/null > /dev/null 2>&1 &
  until runs; do sleep 0.05; done
}
finish() {
  pkill "-$1" -f "$pattern"
  while runs; do sleep 0.05; done
}
case $1 in monitor | meta-data | validate-all | notify) ;; *) echo "$(uname -n) $1 $name" >> $shared/walked ;; esac
case $1 in
start)
  [ ! -e "$shared/$name.broken" ] || { echo "ocf-exit-reason:it is broken" >&2; exit 1; }
  runs || begin 0 ;;
stop)
  rm -f "/run/$name.promoted"
  finish KILL ;;
monitor)
  runs || exit 7
  [ ! -e "/run/$name.promoted" ] || exit 8 ;;
promote) touch "/run/$name.promoted" ;;
demote) rm -f "/run/$name.promoted" ;;
notify)
  said=$(env | sed -n 's/^OCF_RESKEY_CRM_meta_notify_\([a-z_]*\)=\(.*\)/\1=\2/p' | sort | tr '\n' '|')
  echo "$(uname -n) notify $name $said" >> $shared/walked ;;
migrate_to) finish TERM ;;
migrate_from) begin "$(cat "$shared/$name.count")" ;;
meta-data)
  cat <<'XML'
<?xml version="1.0"?>
<resource-agent name="walker" version="1.0">
  <version>1.1</version>
  <longdesc lang="en">Counts, also over a live migration.</longdesc>
  <shortdesc lang="en">Counts</shortdesc>
  <parameters/>
  <actions>
    <action name="start" timeout="20s"/>
    <action name="stop" timeout="20s"/>
    <action name="monitor" timeout="20s" interval="10s"/>
    <action name="promote" timeout="20s"/>
    <action name="demote" timeout="20s"/>
    <action name="notify" timeout="20s"/>
    <action name="migrate_to" timeout="20s"/>
    <action name="migrate_from" timeout="20s"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>
XML
  ;;
validate-all) ;;
*) exit 3 ;;
esac
exit 0
