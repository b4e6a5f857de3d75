# redis:TAG from redis-server, with a POSIX shell and the core tools.
make_image() {
	fetch redis-server base-files base-passwd dash coreutils libc-bin
	unpack
	printf 'redis:x:999:999:redis:/data:/bin/false\n' >>"$root/etc/passwd"
	printf 'redis:x:999:\n' >>"$root/etc/group"
	mkdir -p "$root/data"
	load
	seal "$1" 'chown 999:999 /data && redis-server --version' \
		-c 'USER 999:999' -c 'WORKDIR /data' -c 'VOLUME /data' -c 'EXPOSE 6379' \
		-c 'CMD ["redis-server", "--protected-mode", "no"]'
}
