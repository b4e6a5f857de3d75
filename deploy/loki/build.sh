#!/bin/sh
# Makes sure that a Loki server is there for the tests: the one that LOKI_BIN names, else one built from Loki's own module.
#
#   deploy/loki/build.sh build/bin/loki
#
# Loki's server is AGPL-3.0: it is built in a module of its own, runs as a process of its own, and no line of it is part of
# Fairlead. `go install` refuses Loki, because its go.mod holds replace directives; so the recipe writes a module beside
# ours that requires the same versions and replaces the same modules. Five minutes on two cores, once; nothing to do when
# a binary of this version is there.
set -eu

version=v3.7.8
module=github.com/grafana/loki/v3

say() { printf '%s\n' "$*"; }
die() { printf 'loki: %s\n' "$*" >&2; exit 1; }

# is_version BINARY: whether the binary runs and is of our version.
is_version() { [ -x "$1" ] && "$1" -version 2>&1 | grep -q "version ${version#v}\|version $version"; }

if [ -n "${LOKI_BIN:-}" ]; then
	[ -x "$LOKI_BIN" ] || die "LOKI_BIN=$LOKI_BIN is not a program; name a Loki server, or unset it to have one built"
	say "loki: $LOKI_BIN"
	exit 0
fi
[ $# -eq 1 ] || die "usage: deploy/loki/build.sh PATH-OF-THE-BINARY"
out=$1
if is_version "$out"; then
	say "loki: $out $version"
	exit 0
fi

root=$(cd "$(dirname "$0")/../.." && pwd)
place=$root/build/loki
case $out in /*) ;; *) out=$(pwd)/$out ;; esac
mkdir -p "$place" "$(dirname "$out")"
export GOWORK=off CGO_ENABLED=0
say "building Loki $version (five minutes, once)"

cd "$place"
printf 'module lokiserver\n' >go.mod
source=$(go mod download -json "$module@$version" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p')
[ -d "$source" ] || die "the Go module proxy did not serve $module@$version; is it reachable?"

# The same Go version and requirements, and every replacement but the one by a folder that the module does not contain.
{
	printf 'module lokiserver\n\n'
	sed -n '/^go /p' "$source/go.mod"
	printf '\nrequire %s %s\n\n' "$module" "$version"
	awk '/^require \(/ { inside = 1 } inside { print } /^\)/ { inside = 0 }' "$source/go.mod"
	sed -n '/^replace/,$p' "$source/go.mod" | grep -v 'pkg/push =>'
} >go.mod
cp "$source/go.sum" go.sum
cp "$source/cmd/loki/main.go" "$source/cmd/loki/health.go" .
chmod u+w go.sum main.go health.go

go get .
go build -buildvcs=false -trimpath -ldflags "-s -w -X $module/pkg/util/build.Version=$version" -o "$out.new" .
is_version "$out.new" || die "the binary that was built does not say that it is $version"
mv "$out.new" "$out"
say "loki: $out $version, built"
