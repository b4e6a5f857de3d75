#!/bin/sh
# Makes sure that base images are on the engine, so that `FROM python:3.11-slim` builds on a host no registry answers.
#
#   deploy/images/ensure.sh python:3.11-slim [busybox:1 ...]
#
# For each image: on the engine already -> nothing to do; else `docker pull`, given up after PULL_SECONDS (default 15);
# else an equal base is made from the distribution's packages by the recipe of the same name in recipes/, labelled
# fairlead.base=debian-packages and tagged with the name that was asked for. Safe to run again; leaves nothing behind.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
pull_seconds=${PULL_SECONDS:-15}
work=
raw=
box=

say() { printf '%s\n' "$*"; }
die() { printf 'images: %s\n' "$*" >&2; exit 1; }

# cleanup removes whatever this run made and did not finish; it never touches anything else.
cleanup() {
	[ -z "$box" ] || docker rm -f "$box" >/dev/null 2>&1 || :
	[ -z "$raw" ] || docker rmi -f "$raw" >/dev/null 2>&1 || :
	[ -z "$work" ] || rm -rf -- "$work"
	box= raw= work=
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

need_docker() {
	command -v docker >/dev/null 2>&1 || die "the docker command is missing; run deploy/needs.sh first"
	docker version >/dev/null 2>&1 || die "no Docker Engine answers; run deploy/needs.sh first"
}

need_debian() {
	for tool in apt-get dpkg-deb tar timeout; do
		command -v "$tool" >/dev/null 2>&1 && continue
		die "$1 is not on this engine, no registry gave it within ${pull_seconds} s, and it cannot be made here: it is made from Debian packages and $tool is missing. Load it yourself (docker load), or name a base image you have in your Dockerfile"
	done
}

present() { docker image inspect "$1" >/dev/null 2>&1; }

pull() { timeout "$pull_seconds" docker pull -q "$1" >/dev/null 2>&1; }

# fetch PACKAGE...: downloads the packages and everything they depend on, resolved as on an empty machine.
fetch() {
	mkdir -p "$work/debs/partial"
	: >"$work/status"
	download "$@" && return 0
	say "  refreshing the package lists"
	if [ "$(id -u)" = 0 ]; then
		apt-get -qq update >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; die "apt-get update failed"; }
	else
		die "the package lists are missing or old; run: sudo apt-get update"
	fi
	download "$@" || { cat "$work/apt.log" >&2; die "the packages could not be downloaded: $*"; }
}

download() {
	apt-get -qq -y --no-install-recommends --download-only \
		-o Dir::State::status="$work/status" -o Dir::Cache::archives="$work/debs/" \
		-o APT::Sandbox::User=root -o Debug::NoLocking=1 \
		install "$@" >"$work/apt.log" 2>&1
}

# unpack: lays the packages out under $work/root. No maintainer script runs, so the recipe does what those would have.
unpack() {
	root=$work/root
	mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
	for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done
	for deb in "$work"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
			--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
			--exclude='./usr/share/info/*' --exclude='./usr/share/lintian/*'
	done
	mkdir -p "$root/root" "$root/tmp" "$root/var/tmp" "$root/run" "$root/proc" "$root/sys" "$root/dev" "$root/home" "$root/etc"
	chmod 1777 "$root/tmp" "$root/var/tmp"
	if [ -f "$root/usr/share/base-passwd/passwd.master" ]; then
		cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
		cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	fi
	[ ! -e "$root/usr/bin/dash" ] || ln -sf dash "$root/usr/bin/sh"
}

# load: puts $work/root on the engine as $raw, still without a name that anyone else would use.
load() {
	raw=fairlead/base-in-progress:$$
	tar -C "$work/root" --numeric-owner --owner=0 --group=0 -c . | docker import - "$raw" >/dev/null
}

# seal IMAGE COMMAND [--change CHANGE]...: runs COMMAND in $raw, which proves that the base works, and tags what it left.
seal() {
	image=$1
	command=$2
	shift 2
	box=fairlead-base-$$
	docker run --name "$box" --network none "$raw" /bin/sh -c "$command" ||
		die "the base made for $image does not run; see the lines above"
	docker commit -c 'LABEL fairlead.base=debian-packages' "$@" "$box" "$image" >/dev/null
}

ensure() {
	image=$1
	case $image in *:*) ;; *) image=$image:latest ;; esac
	name=${image%%:*}
	tag=${image#*:}
	if present "$image"; then say "$image: on the engine"; return 0; fi
	say "$image: asking the registry (at most ${pull_seconds} s)"
	if pull "$image"; then say "$image: pulled"; return 0; fi
	recipe=$here/recipes/$name.sh
	case $name in */*) recipe= ;; esac
	[ -n "$recipe" ] && [ -f "$recipe" ] ||
		die "no registry gave $image and there is no recipe for it (recipes: $(recipes)). Load it yourself: docker load"
	need_debian "$image"
	say "$image: no registry answers, making an equal base from the distribution's packages"
	work=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-image.XXXXXX")
	# The recipe defines make_image, which uses $work, $tag and the functions above.
	# shellcheck source=/dev/null
	. "$recipe"
	make_image "$image" "$tag"
	cleanup
	say "$image: made, $(docker image inspect -f '{{.Size}}' "$image" | awk '{printf "%.0f MB", $1 / 1000000}')"
}

recipes() {
	for file in "$here"/recipes/*.sh; do basename "$file" .sh; done | tr '\n' ' ' | sed 's/ $//'
}

[ $# -gt 0 ] || die "name at least one image, for example: $0 python:3.11-slim (recipes: $(recipes))"
need_docker
for wanted in "$@"; do ensure "$wanted"; done
