#!/bin/bash
# deb.sh TREE OUT [VERSION] — make Debian packages of an installed tree (`make install DESTDIR=TREE`) in the folder OUT.
# VERSION: that of Cargo.toml unless it is given. Needs debhelper. Everything happens in a folder of its own; TREE is not changed.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$(realpath "${1:?the installed tree}"); out=$(realpath -m "${2:?the folder for the packages}")
version=${3:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}
command -v dh > /dev/null || { echo "debhelper is missing: make packages" >&2; exit 77; }
[ -x "$tree/usr/bin/cpe" ] || { echo "$tree: nothing is installed there: make install DESTDIR=$tree" >&2; exit 66; }
mkdir -p "$out"
work=$(mktemp -d "$out/.deb.XXXXXX"); trap 'rm -rf "${work:?}"' EXIT
mkdir "$work/source"
cp -R mk/packages/debian "$work/source/debian"
cp -R --preserve=mode,timestamps "$tree" "$work/tree"
cd "$work/source"
sed -i "s/#VERSION#/$version/" debian/*.preinst
# The day of the last commit, so that the same commit makes the same packages.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$OLDPWD" log -1 --format=%ct 2> /dev/null || date +%s)}
cat > debian/changelog << END
cloud-policy-engine ($version) unstable; urgency=medium

  * See CHANGELOG.md of the project.

 -- Cloud Policy Engine developers <packages@cloudpolicy.org>  $(date -R -u -d "@$SOURCE_DATE_EPOCH")
END
export DEB_BUILD_OPTIONS="noautodbgsym ${DEB_BUILD_OPTIONS:-}"
dpkg-buildpackage --build=binary --no-sign --no-check-builddeps > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 70; }
mv ../*.deb ../*.changes ../*.buildinfo "$out/"
ls "$out"/*"_${version}_"*.deb
