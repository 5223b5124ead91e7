#!/bin/bash
# bmc.sh — a board management controller for a guest of a private system: Debian's ipmi_sim, which speaks IPMI over
# UDP as boards do, and switches the guest's unit. Runs INSIDE the system:
#   bmc.sh add NAME PORT            the unit bmc@NAME, at 127.0.0.1:PORT; user cpe with the password b0ard, an operator
#   bmc.sh power NAME get|set …    what ipmi_sim calls; each power that is set is a line of /srv/bmc/NAME/log:
#                                   when it was done (1/100 s since boot), and what
# A file /srv/bmc/NAME/lies: it says that it has done what it is told, and does nothing.
set -euo pipefail
[ -d /srv/data ] && [ "$(systemd-detect-virt)" != none ] || { echo "runs inside a private system only" >&2; exit 69; }
verb=${1:?verb} name=${2:?name} d=/srv/bmc/$2 unit=systemd-nspawn@$2.service
case $verb in
add)
  port=${3:?port}
  mkdir -p "$d/state"
  cat > "$d/lan.conf" <<C
name "$name"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 $port
    priv_limit admin
    allowed_auths_callback md5
    allowed_auths_user md5
    allowed_auths_operator md5
    allowed_auths_admin md5
    guid $(printf '%s' "$name" | md5sum | cut -d' ' -f1)
  endlan
  chassis_control "/srv/lab/bmc.sh power $name"
  user 2 true "cpe" "b0ard" operator 10 md5
C
  printf 'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n' > "$d/commands"
  cat > /etc/systemd/system/bmc@.service <<'U'
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/ipmi_sim -n -c /srv/bmc/%i/lan.conf -f /srv/bmc/%i/commands -s /srv/bmc/%i/state
U
  systemctl daemon-reload; systemctl start "bmc@$name";;
power)
  shift 2
  case $* in
  'get power') case $(systemctl is-active "$unit") in inactive | failed) echo power:0;; *) echo power:1;; esac;;
  'set power 0' | 'set power 1')
    [ ! -e "$d/lies" ] || exit 0
    if [ "$3" = 0 ]; then systemctl kill --signal=KILL "$unit" || :; systemctl stop "$unit"; else systemctl start --no-block "$unit"; fi
    read -r up _ < /proc/uptime; echo "${up/./} $3" >> "$d/log";;
  *) echo "not known: $*" >&2; exit 1;;
  esac;;
*) exit 64;;
esac
