#!/bin/bash
# fetch-alerts.sh DIR — Pacemaker's alert agents as Debian ships them (package pacemaker-common), unpacked into DIR: the end-to-end
# tests have cpe-notify run them unchanged. Nothing is installed, and no root is needed.
set -euo pipefail
dir=$(realpath -m "${1:?directory}")
[ ! -e "$dir/alert_file.sh.sample" ] || exit 0
command -v apt-get > /dev/null || { echo "Pacemaker's alert agents are needed in $dir: copy alert_*.sh.sample there" >&2; exit 77; }
echo "fetching the package pacemaker-common (not installing it)" >&2
rm -rf "$dir.new"; mkdir -p "$dir.new"
cd "$dir.new"
fetch() { apt-get -q -o APT::Sandbox::User= -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= download pacemaker-common >&2; }
fetch || { ${SUDO:-} apt-get -q update >&2 && fetch; } || { echo "it cannot be fetched: try \`apt-get update\` as root" >&2; exit 77; }
dpkg-deb -x ./*.deb unpacked
mv unpacked/usr/share/pacemaker/alerts/alert_*.sh.sample .
rm -rf unpacked ./*.deb
mv "$dir.new" "$dir"
