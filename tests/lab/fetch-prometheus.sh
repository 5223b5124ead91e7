#!/bin/bash
# fetch-prometheus.sh DIR — promtool as Debian ships it, put into DIR: the end-to-end tests check metrics, alert rules and what they say
# of a run in which things fail.
set -euo pipefail
exec "$(dirname "$0")/fetch-package.sh" "${1:?directory}" prometheus ./usr/bin/promtool promtool
