# python:TAG from python3, with pip, a POSIX shell, the core tools, useradd and the CA certificates.
make_image() {
	fetch python3 python3-pip python3-venv ca-certificates base-files base-passwd passwd login dash coreutils \
		grep sed findutils tar gzip mawk hostname netbase tzdata libc-bin
	unpack
	found=$(ls "$root/usr/bin" | sed -n 's/^python\(3\.[0-9]*\)$/\1/p' | head -n 1)
	case $2 in
	3 | 3-* | slim | latest | "$found" | "$found"-* | "$found".*) ;;
	*) say "  note: $1 was asked for; this distribution has Python $found, and that is what it holds" ;;
	esac
	ln -sf python3 "$root/usr/bin/python"
	ln -sf mawk "$root/usr/bin/awk"
	# Official images keep Python under /usr/local; scripts that name that path find it.
	mkdir -p "$root/usr/local/bin"
	ln -sf /usr/bin/python3 "$root/usr/local/bin/python3"
	ln -sf /usr/bin/python3 "$root/usr/local/bin/python"
	# pip may install into this image: it is nobody's operating system.
	rm -f "$root/usr/lib/python$found/EXTERNALLY-MANAGED"
	mkdir -p "$root/etc/ssl/certs"
	find "$root/usr/share/ca-certificates" -name '*.crt' -exec cat {} + >"$root/etc/ssl/certs/ca-certificates.crt"
	load
	# Compiled once here, not by every container at its start.
	seal "$1" "python3 -m compileall -q -j 0 /usr/lib/python$found /usr/lib/python3/dist-packages >/dev/null 2>&1; python -c 'import json, ssl, sqlite3, http.server, asyncio'" \
		-c 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
		-c 'ENV LANG=C.UTF-8' -c "ENV PYTHON_VERSION=$found" -c 'CMD ["python3"]'
}
