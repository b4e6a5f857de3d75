# busybox:TAG from busybox-static: one binary and its applets.
make_image() {
	fetch busybox-static
	mkdir -p "$work/busybox" "$work/root/bin" "$work/root/etc" "$work/root/tmp" "$work/root/root"
	for deb in "$work"/debs/busybox-static_*.deb; do dpkg-deb -x "$deb" "$work/busybox"; done
	binary=$(find "$work/busybox" -type f -name busybox -perm -u+x | head -n 1)
	cp "$binary" "$work/root/bin/busybox"
	for applet in $("$binary" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
	done
	chmod 1777 "$work/root/tmp"
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$work/root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$work/root/etc/group"
	load
	seal "$1" true -c 'ENV PATH=/bin' -c 'CMD ["sh"]'
}
