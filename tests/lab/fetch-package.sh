#!/bin/bash
# fetch-package.sh DIR PACKAGE FILES WHAT — files of a package of Debian, put into DIR: those whose path in it is like the pattern FILES
# (./usr/bin/NAME). WHAT they are, for people. Nothing is installed, and no root is needed. Exit status 77: it cannot be had here.
set -euo pipefail
dir=$(realpath -m "${1:?directory}") package=${2:?package} files=${3:?files} what=${4:?what they are}
! compgen -G "$dir/$(basename "$files")" > /dev/null || exit 0
command -v apt-get > /dev/null || { echo "$what: needed in $dir, copy $(basename "$files") there" >&2; exit 77; }
echo "fetching $what of the package $package (not installing it)" >&2
rm -rf "$dir.new"; mkdir -p "$dir.new"
cd "$dir.new"
fetch() { apt-get -q -o APT::Sandbox::User= -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= download "$package" >&2; }
fetch || { ${SUDO:-} apt-get -q update >&2 && fetch; } || { echo "it cannot be fetched: try \`apt-get update\` as root" >&2; exit 77; }
dpkg-deb --fsys-tarfile ./*.deb | tar -xf - --wildcards --transform='s:.*/::' "$files"
rm ./*.deb
# The folder may be there, with other things in it.
mkdir -p "$dir"
mv -f -- * "$dir"/
cd "$dir"; rmdir "$dir.new"
