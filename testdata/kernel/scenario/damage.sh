# A tape whose files were damaged: the host learns which block, the rest is
# readable, and the command line mends what can be (F.115, F.119).
. /lab/guest/lib.sh

library hurt --family HRT --tapes 3 --capacity 100MB
dd if=/dev/urandom of=/tmp/random bs=64k count=40 2>/dev/null
for slot in 1 2; do
	need mtx -f "$CSG" load $slot 0
	need tape_ready
	need dd if=/tmp/random of="$NST" bs=64k count=20
	need dd if=/tmp/random of="$NST" bs=64k count=20 skip=20
	need mtx -f "$CSG" unload
done
# flip FILE OFFSET: one byte is another one.
flip() {
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf "\\$(printf %03o $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
object() { mt -f "$NST" tell | sed -n 's/^At block \([0-9]*\)\.$/\1/p'; }

flip $DISK/hurt/HRT001L8.tape $((5 * 65536 + 1000))
refuse "vloader tape check finds a byte changed in the sixth block" "." vloader tape check $DISK/hurt/HRT001L8
note <$OUT
need mtx -f "$CSG" load 1 0
need tape_ready
refuse "reading stops there with an input/output error" "Input/output error" dd if="$NST" of=/tmp/back bs=64k
equal "after the five blocks before it" "$(stat -c %s /tmp/back)" $((5 * 65536))
check "as written" cmp -n $((5 * 65536)) /tmp/random /tmp/back
equal "the tape stands before the bad block" "$(object)" 5
check "mt fsr 1 goes past it" mt -f "$NST" fsr 1
check "what follows is read" dd if="$NST" of=/tmp/back bs=64k
check "as written" cmp -n $((14 * 65536)) -i $((6 * 65536)):0 /tmp/random /tmp/back
check "and the second file" dd if="$NST" of=/tmp/back bs=64k
check "as written" cmp -n $((20 * 65536)) -i $((20 * 65536)):0 /tmp/random /tmp/back
need mtx -f "$CSG" unload

cp $DISK/hurt/HRT002L8.tape /tmp/payload
dd if=/dev/urandom of=$DISK/hurt/HRT002L8.index bs=64 count=1 conv=notrunc 2>/dev/null
refuse "a destroyed index: vloader tape check says so" "." vloader tape check $DISK/hurt/HRT002L8
note <$OUT
mtx -f "$CSG" load 2 0 >$OUT 2>&1
say "mtx load of it: $? $(head -n 1 $OUT)"
refuse "it cannot be read" "." timeout 20 dd if="$NST" of=/dev/null bs=64k count=1 iflag=nonblock
check "the service lives" vloader status
mtx -f "$CSG" unload >/dev/null 2>&1
mtx -f "$CSG" status >$OUT
match "mtx moves it back all the same" "Storage Element 2:Full :VolumeTag=HRT002L8"
check "vloader tape mend" vloader tape mend $DISK/hurt/HRT002L8 --block-length 65536
note <$OUT
check "the payload has every byte it had" cmp /tmp/payload $DISK/hurt/HRT002L8.tape
check "mtx load" mtx -f "$CSG" load 2 0
check "the mended tape becomes ready" tape_ready
check "it is read" dd if="$NST" of=/tmp/back bs=64k count=40
check "its data as written" cmp -n $((20 * 65536)) /tmp/random /tmp/back
need mtx -f "$CSG" unload

check "a third tape is as good as ever" mtx -f "$CSG" load 3 0
need tape_ready
check "write" dd if=/tmp/random of="$NST" bs=64k count=20
clean_kernel_log "the kernel's log is clean" "\[st0\]|critical|Medium"
