#!/bin/sh
# Makes sure that what Fairlead needs of the host is there: Docker Engine, the PostgreSQL binaries, git.
#
#   deploy/needs.sh [docker] [postgres | postgres-binaries] [git] [gcc] [prometheus] [chromium]
#   (docker, postgres and git when none is named)
#
# As root on Debian or Ubuntu it installs what is missing from the distribution's packages; anywhere else it says exactly
# what to install and ends with 1. Quick when all is there; safe to run again.
#   DATABASE_URL   set: PostgreSQL binaries are not needed
#   DOCKER_HOST    set: the engine there must answer; none is started here
set -eu

wait_seconds=60
updated=

say() { printf '%s\n' "$*"; }
die() { printf 'needs: %s\n' "$*" >&2; exit 1; }

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

# install PACKAGE...: quiet unless it fails, and never asks a question.
install() {
	say "installing $*"
	log=$(mktemp)
	if [ -z "$updated" ]; then
		apt-get -qq update >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; die "apt-get update failed; is the package mirror reachable?"; }
		updated=yes
	fi
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >"$log" 2>&1 ||
		{ cat "$log" >&2; rm -f "$log"; die "apt-get could not install $*"; }
	rm -f "$log"
}

# engine_answers reports whether an engine answers on DOCKER_HOST or the usual socket.
engine_answers() { command -v docker >/dev/null 2>&1 && timeout 20 docker version >/dev/null 2>&1; }

need_docker() {
	if engine_answers; then
		say "docker: engine $(docker version --format '{{.Server.Version}}')"
		return 0
	fi
	[ -z "${DOCKER_HOST:-}" ] || { command -v docker >/dev/null 2>&1 && die "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST to use the one of this host"; }
	refuse_unreadable_socket
	if ! command -v dockerd >/dev/null 2>&1 || ! command -v docker >/dev/null 2>&1; then
		can_install || die "Docker Engine is missing. On Debian or Ubuntu: sudo apt-get install docker.io && sudo systemctl start docker. Elsewhere: https://docs.docker.com/engine/install/ (20.10 or newer). Then run this again"
		# iptables: dockerd needs it for its bridge; ca-certificates: for registries.
		install docker.io iptables ca-certificates
		[ -n "$(command -v docker || :)" ] || install docker-cli
		if engine_answers; then say "docker: installed and running"; return 0; fi
	fi
	[ "$(id -u)" = 0 ] || die "Docker Engine is installed but does not answer. Start it (sudo systemctl start docker, or sudo dockerd), then run this again"
	start_engine
}

# refuse_unreadable_socket tells the commonest fault apart: the engine runs, and this user may not talk to it.
refuse_unreadable_socket() {
	[ -S /var/run/docker.sock ] || return 0
	[ -w /var/run/docker.sock ] || die "Docker Engine has a socket that user $(id -un) may not use. Add the user to its group (sudo usermod -aG docker $(id -un)), log in anew, then run this again"
}

start_engine() {
	if [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
		systemctl start docker >/dev/null 2>&1 || :
	fi
	if ! engine_answers; then
		log=/var/log/fairlead-dockerd.log
		say "starting dockerd (its log: $log)"
		# Detached (setsid) and with no terminal, so that it outlives this script and the shell that ran it.
		setsid dockerd </dev/null >"$log" 2>&1 &
	fi
	waited=0
	until engine_answers; do
		waited=$((waited + 1))
		if [ "$waited" -ge "$wait_seconds" ]; then
			[ ! -f "${log:-/nonexistent}" ] || tail -n 20 "$log" >&2
			die "dockerd was started but does not answer after ${wait_seconds} s; its last lines are above"
		fi
		sleep 1
	done
	say "docker: engine $(docker version --format '{{.Server.Version}}'), started"
}

postgres_bin() {
	for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin /usr/local/pgsql/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then printf '%s\n' "$dir"; return 0; fi
	done
	if path=$(command -v initdb); then dirname "$path"; return 0; fi
	return 1
}

# need_postgres: for running Fairlead a database elsewhere or a container does as well as the host's own binaries.
need_postgres() {
	if [ -n "${DATABASE_URL:-}" ]; then say "postgres: DATABASE_URL is set"; return 0; fi
	if ! postgres_bin >/dev/null && ! can_install && engine_answers; then
		say "postgres: none on this host; the server runs it as a container of the official image"
		return 0
	fi
	need_postgres_binaries
}

# need_postgres_binaries: the demo and the tests stop and kill servers of their own.
need_postgres_binaries() {
	if dir=$(postgres_bin); then say "postgres: $dir"; return 0; fi
	can_install || die "PostgreSQL is missing. On Debian or Ubuntu: sudo apt-get install postgresql. Elsewhere: install PostgreSQL 14 or newer, or set DATABASE_URL to a database you have. Then run this again"
	# Fairlead makes a private cluster of its own: the package must not make and start another one.
	mkdir -p /etc/postgresql-common
	[ -f /etc/postgresql-common/createcluster.conf ] || printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.conf
	install postgresql
	dir=$(postgres_bin) || die "postgresql was installed but its initdb is nowhere to be found"
	say "postgres: $dir, installed"
}

need_git() {
	if command -v git >/dev/null 2>&1 && [ -x "$(git --exec-path)/git-http-backend" ]; then
		say "git: $(git --version | cut -d ' ' -f 3)"
		return 0
	fi
	can_install || die "git is missing, or lacks git http-backend. On Debian or Ubuntu: sudo apt-get install git. Then run this again"
	install git
	say "git: $(git --version | cut -d ' ' -f 3), installed"
}

# need_gcc: the race detector of the tests is linked by a C compiler.
need_gcc() {
	if command -v gcc >/dev/null 2>&1; then say "gcc: $(gcc -dumpversion)"; return 0; fi
	can_install || die "gcc is missing; the race detector needs it. On Debian or Ubuntu: sudo apt-get install gcc libc6-dev. Then run this again"
	install gcc libc6-dev
	say "gcc: $(gcc -dumpversion), installed"
}

# need_prometheus: the tests run a private Prometheus of their own, to write to, to ask and to be scraped by.
need_prometheus() {
	if command -v prometheus >/dev/null 2>&1; then say "prometheus: $(prometheus_version)"; return 0; fi
	can_install || die "Prometheus is missing; the tests need it. On Debian or Ubuntu: sudo apt-get install prometheus. Elsewhere: put the binary of https://prometheus.io/download/ on PATH. Then run this again"
	# The package would start a server of its own on port 9090, now and at every boot: only its binary is wanted.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	install prometheus
	if command -v systemctl >/dev/null 2>&1; then systemctl disable prometheus >/dev/null 2>&1 || :; fi
	say "prometheus: $(prometheus_version), installed"
}

prometheus_version() { prometheus --version 2>&1 | sed -n '1s/.*version \([^ ]*\).*/\1/p'; }

# need_chromium: the tests look at the pages in a real browser.
need_chromium() {
	for name in chromium chromium-browser google-chrome; do
		if command -v "$name" >/dev/null 2>&1; then say "chromium: $(chromium_version "$name")"; return 0; fi
	done
	can_install || die "Chromium is missing; the tests of the pages need it. On Debian: sudo apt-get install chromium. Elsewhere: put chromium or google-chrome on PATH. Then run this again"
	install chromium
	say "chromium: $(chromium_version chromium), installed"
}

chromium_version() { "$1" --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p'; }

[ $# -gt 0 ] || set -- docker postgres git
for need in "$@"; do
	case $need in
	docker) need_docker ;;
	postgres) need_postgres ;;
	postgres-binaries) need_postgres_binaries ;;
	git) need_git ;;
	gcc) need_gcc ;;
	prometheus) need_prometheus ;;
	chromium) need_chromium ;;
	*) die "unknown need $need; known: docker postgres postgres-binaries git gcc prometheus chromium" ;;
	esac
done
