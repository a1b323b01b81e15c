# A real directory tree over several tapes, which mtx changes and the loader makes
# (F.5/144; contract 3.33): tar -M with a script for the next volume.
. /lab/guest/lib.sh

library vault --family VLT --tapes 1 --capacity 80MB
tree=${SOURCE#/}
size=$(du -sm "$SOURCE" | cut -f 1)
[ "$size" -ge 200 ] && pass "the tree is a real one: $size MB" || fail "the tree has only $size MB"

# Volume N is the tape with number N: the script that writes also reads.
cat >/tmp/next <<'END'
#!/bin/sh
tape=$(printf 'VLT%03dL8' "$TAR_VOLUME")
slot=$(mtx -f "$CSG" status | sed -n "s/^ *Storage Element \([0-9]*\):Full :VolumeTag=$tape *\$/\1/p")
[ -n "$slot" ] || { echo "no tape $tape in a slot" >&2; mtx -f "$CSG" status | grep Full >&2; exit 1; }
{ mtx -f "$CSG" unload && mtx -f "$CSG" load "$slot" 0; } >&2 || exit 1
for i in $(seq 50); do mt-st -f "$NST" status | grep -q ONLINE && exit 0; sleep 0.1; done
exit 1
END
chmod +x /tmp/next
export NST CSG
first_tape() {
	mtx -f "$CSG" unload >/dev/null 2>&1
	need mtx -f "$CSG" load 1 0
	need tape_ready
}

first_tape
began=$(date +%s)
check "tar writes the tree over several tapes" tar -b 512 -M -F /tmp/next -cf "$NST" -C / "$tree"
say "written in $(($(date +%s) - began)) s"
need mtx -f "$CSG" unload
volumes=$(ls $DISK/vault/VLT*.tape | wc -l)
used=$(find $DISK/vault -name 'VLT*.tape' -size +1M | wc -l)
[ "$used" -ge 3 ] && pass "the tree is on $used tapes" || fail "the tree is on $used tapes only"
[ "$volumes" -gt "$used" ] && pass "a blank tape is ready for the next" || fail "no blank tape is left of $volumes"

mkdir $DISK/back
first_tape
began=$(date +%s)
check "tar restores the tree" tar -b 512 -M -F /tmp/next -xpf "$NST" -C $DISK/back
say "restored in $(($(date +%s) - began)) s"
check "diff -r finds no difference" diff -r --no-dereference "$SOURCE" "$DISK/back/$tree"
equal "and says nothing" "$(cat $OUT)" ""
check "mtx unload" mtx -f "$CSG" unload
for t in $(mtx -f "$CSG" status | sed -n 's/.*VolumeTag=\(VLT[0-9]*L8\).*/\1/p'); do
	check "vloader tape check $t" vloader tape check "$DISK/vault/$t"
done

clean_kernel_log "the kernel's log is clean"
