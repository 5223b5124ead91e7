#!/bin/bash
# fetch-servers.sh DIR — nginx and redis-server for the demonstration with guests as processes. Prints the folder to put first
# in PATH: nothing where both are installed, else DIR/bin, after fetching Debian's packages and unpacking them into
# DIR. Nothing is installed (that would start them as services of this machine) and no root is needed.
set -euo pipefail
dir=$(realpath -m "${1:?directory}")
PATH=$PATH:/usr/sbin:/sbin
if command -v nginx > /dev/null && command -v redis-server > /dev/null; then exit 0; fi
if ! [ -x "$dir/bin/nginx" ] || ! [ -x "$dir/bin/redis-server" ]; then
  command -v apt-get > /dev/null || { echo "nginx and redis-server are needed: please install them" >&2; exit 77; }
  echo "fetching the packages nginx-light and redis-server (not installing them)" >&2
  rm -rf "$dir"; mkdir -p "$dir/archives/partial" "$dir/bin"
  fetch() { apt-get -q -y -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o Dir::Cache::archives="$dir/archives" --no-install-recommends --download-only install nginx-light redis-server >&2; }
  fetch || { ${SUDO:-} apt-get -q update >&2 && fetch; } || { echo "they cannot be fetched: try \`apt-get update\` as root" >&2; exit 77; }
  for package in "$dir"/archives/*.deb; do dpkg-deb -x "$package" "$dir"; done
  libraries=$(find "$dir/usr/lib" "$dir/lib" -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
  for name in nginx redis-server; do
    program=$(find "$dir/usr/sbin" "$dir/usr/bin" -name "$name" 2>/dev/null | head -n 1)
    [ -n "$program" ] || { echo "the packages hold no $name" >&2; exit 1; }
    # exec: the process is the server itself, under the name it is known by
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$program" > "$dir/bin/$name"
    chmod +x "$dir/bin/$name"
  done
fi
echo "$dir/bin"
