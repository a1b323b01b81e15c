# tar with block sizes from 10 KiB to 1 MiB, and the tape's file without our software (F.5/144).
. /lab/guest/lib.sh

library reel --family TAR --tapes 2 --capacity 600MB
need mtx -f "$CSG" load 1 0
need tape_ready
cp -r "$SOURCE/src/net" "$SOURCE/src/go" /tmp/
object() { mt -f "$NST" tell | sed -n 's/^At block \([0-9]*\)\.$/\1/p'; }
archive() { tar -b "$1" "$2" "$NST" -C /tmp net go; }

for b in 20 64 128 256 512 1024 2048; do
	kib=$((b / 2))
	need mt -f "$NST" rewind
	check "tar writes blocks of $kib KiB" archive $b -cf
	bytes=$(tar -b $b -cf - -C /tmp net go | wc -c)
	equal "so many blocks and a filemark are on the tape" "$(object)" $((bytes / (b * 512) + 1))
	need mt -f "$NST" rewind
	check "tar compares them with the tree" tar -b $b -df "$NST" -C /tmp
done

need mt -f "$NST" rewind
refuse "a small -b on a large block is told that memory lacks" "Cannot allocate memory" tar -b 20 -tf "$NST"
need mt -f "$NST" rewind
check "a large -b reads small blocks: write" archive 20 -cf
need mt -f "$NST" rewind
check "a large -b reads small blocks: compare" tar -b 2040 -df "$NST" -C /tmp

need mt -f "$NST" rewind
check "tar appends to an archive" tar -b 20 -rf "$NST" -C "$SOURCE" VERSION
need mt -f "$NST" rewind
check "and lists it" tar -b 20 -tf "$NST"
match "with what was appended" "^VERSION$"
match "and what was there before" "^net/http/server.go$"

need mt -f "$NST" rewind
check "two archives on one tape: the first" archive 128 -cf
check "two archives on one tape: the second" tar -b 128 -cf "$NST" -C "$SOURCE" VERSION
need mt -f "$NST" rewind
need mt -f "$NST" fsf 1
check "the second is found with fsf 1" tar -b 128 -tf "$NST"
equal "and holds what was written" "$(cat $OUT)" VERSION
need mt -f "$NST" rewind
check "tar verifies what it wrote" tar -b 128 -cWf "$ST" -C "$SOURCE/src" fmt

need mtx -f "$CSG" unload 1 0
need mtx -f "$CSG" load 2 0
need tape_ready
check "one archive on a tape" archive 512 -cf
need mt -f "$NST" rewind
tar -b 512 -tf "$NST" >/tmp/listed
need mtx -f "$CSG" unload 2 0
need service_stop
check "tar lists the tape's file, the service stopped" tar -tf $DISK/reel/TAR002L8.tape
cp $OUT /tmp/listed-file
check "as it lists the tape" cmp /tmp/listed-file /tmp/listed
check "tar compares the tape's file with the tree" tar -df $DISK/reel/TAR002L8.tape -C /tmp
tar -b 512 -cf - -C /tmp net go >/tmp/stream
check "the tape's file is exactly the bytes written" cmp /tmp/stream $DISK/reel/TAR002L8.tape
check "vloader tape check agrees" vloader tape check $DISK/reel/TAR002L8

clean_kernel_log "the kernel's log is clean" "detected conn error"
