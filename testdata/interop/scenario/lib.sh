# What every scenario here begins with: `. /lab/interop/scenario/lib.sh`. The words
# of the kernel lab's lib.sh, and those for programs that the host does not have.
. /lab/guest/lib.sh

# Scripts of Debian's packages call mt by this name, whatever the host's is.
mkdir -p /usr/local/bin
ln -sf "$(command -v mt-st)" /usr/local/bin/mt

# unpack: puts the packages that the host downloaded over what the guest sees of the host.
unpack() {
	for deb in /lab/packages/*.deb; do
		[ -f "$deb" ] || continue
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C / || return 1
	done
	ldconfig
}

# none WHAT PATTERN: $OUT holds no line with the pattern.
none() {
	if grep -Ein -- "$2" $OUT >/tmp/found; then
		fail "$1"
		note </tmp/found
	else
		pass "$1"
	fi
}
