# A loader in stacker mode, for programs without a changer: tar -M, the next
# tape asked for with `mt offline` (spec C.13 B; F.3/140).
. /lab/guest/lib.sh

library pile --family PIL --tapes 2 --capacity 20MB --mode stacker
cp -r "$SOURCE/src/cmd" /tmp/
loaded() { mtx -f "$CSG" status | sed -n 's/^Data Transfer Element 0:Full.*VolumeTag = \([^ ]*\) *$/\1/p'; }

cat >/tmp/next <<'END'
#!/bin/sh
mt-st -f "$NST" offline >&2 || exit 1
for i in $(seq 50); do mt-st -f "$NST" status | grep -q ONLINE && exit 0; sleep 0.1; done
exit 1
END
cat >/tmp/back <<'END'
#!/bin/sh
mtx -f "$CSG" unload >&2 && mtx -f "$CSG" load "$TAR_VOLUME" 0 >&2 || exit 1
for i in $(seq 50); do mt-st -f "$NST" status | grep -q ONLINE && exit 0; sleep 0.1; done
exit 1
END
chmod +x /tmp/next /tmp/back
export NST CSG

[ -n "$(loaded)" ] || need mtx -f "$CSG" load 1 0
need tape_ready
equal "the first tape is in the drive" "$(loaded)" PIL001L8
check "mt offline before early warning" mt -f "$NST" offline
check "mt load brings the same tape back" mt -f "$NST" load
equal "nothing was changed" "$(loaded)" PIL001L8
need tape_ready
check "tar writes on over the tapes" tar -b 128 -M -F /tmp/next -cf "$NST" -C /tmp cmd
last=$(loaded)
say "the last tape is $last"
case $last in PIL00[3-9]L8) pass "at least three tapes were used" ;; *) fail "the last tape is $last" ;; esac
equal "the full tapes are back in their slots" "$(mtx -f "$CSG" status | sed -n 's/^ *Storage Element [12]:Full :VolumeTag=\([^ ]*\) *$/\1/p' | tr '\n' ' ')" "PIL001L8 PIL002L8 "

mtx -f "$CSG" unload >/dev/null
need mtx -f "$CSG" load 1 0
need tape_ready
mkdir /tmp/restored
check "tar restores, mtx changes the tapes" tar -b 128 -M -F /tmp/back -xf "$NST" -C /tmp/restored
check "diff -r finds no difference" diff -r /tmp/cmd /tmp/restored/cmd

clean_kernel_log "the kernel's log is clean"
