#!/bin/bash
# fetch-alerts.sh DIR — Pacemaker's alert agents as Debian ships them, put into DIR: the end-to-end tests have cpe-notify run them
# unchanged.
set -euo pipefail
exec "$(dirname "$0")/fetch-package.sh" "${1:?directory}" pacemaker-common './usr/share/pacemaker/alerts/alert_*.sh.sample' "Pacemaker's alert agents"
