#!/bin/bash
# A fence agent for one test: its plug is a guest of the lab, whose unit it stops and starts over the bus.
set -euo pipefail
while IFS='=' read -r name value; do
  case $name in action) action=$value ;; plug) plug=$value ;; esac
done
[ "${1:-}" = "-o" ] && action=$2
unit=systemd-nspawn@${plug:-none}.service
case ${action:-} in
metadata)
  cat <<'XML'
<?xml version="1.0"?>
<resource-agent name="fence_unit" shortdesc="Switches a guest of the lab">
  <longdesc>Switches a guest of the lab.</longdesc>
  <parameters>
    <parameter name="action" unique="0" required="1"><getopt mixed="-o"/><content type="string" default="reboot"/></parameter>
    <parameter name="plug" unique="0" required="1"><getopt mixed="-n"/><content type="string"/></parameter>
  </parameters>
  <actions>
    <action name="on"/><action name="off"/><action name="reboot"/><action name="status"/><action name="monitor"/><action name="metadata"/>
  </actions>
</resource-agent>
XML
  ;;
off) systemctl kill --signal=KILL "$unit" || :; systemctl stop "$unit" ;;
on) systemctl start --no-block "$unit" ;;
reboot) systemctl restart --no-block "$unit" ;;
status) case $(systemctl is-active "$unit") in inactive | failed) exit 2 ;; *) exit 0 ;; esac ;;
monitor) exit 0 ;;
*) exit 1 ;;
esac
