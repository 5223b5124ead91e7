#!/bin/bash
# fetch-prometheus.sh DIR — promtool as Debian ships it (package prometheus), unpacked into DIR: the end-to-end tests check metrics,
# alert rules and what they say of a run in which things fail. Nothing is installed, and no root is needed.
set -euo pipefail
dir=$(realpath -m "${1:?directory}")
[ ! -x "$dir/promtool" ] || exit 0
command -v apt-get > /dev/null || { echo "promtool is needed in $dir: copy it there" >&2; exit 77; }
echo "fetching promtool of the package prometheus (not installing it)" >&2
rm -rf "$dir.new"; mkdir -p "$dir.new"
cd "$dir.new"
fetch() { apt-get -q -o APT::Sandbox::User= -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= download prometheus >&2; }
fetch || { ${SUDO:-} apt-get -q update >&2 && fetch; } || { echo "it cannot be fetched: try \`apt-get update\` as root" >&2; exit 77; }
dpkg-deb --fsys-tarfile ./*.deb | tar -xf - ./usr/bin/promtool
mv usr/bin/promtool .
rm -rf usr ./*.deb
mv "$dir.new" "$dir"
