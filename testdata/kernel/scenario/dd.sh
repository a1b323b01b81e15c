# dd: short and long blocks, odd sizes, fixed block mode, the end of data (F.3/70-82 through st).
. /lab/guest/lib.sh

library disc --family DSC --tapes 1 --capacity 400MB
need mtx -f "$CSG" load 1 0
need tape_ready

dd if=/dev/urandom of=/tmp/random bs=1M count=16 2>/dev/null
object() { mt -f "$NST" tell | sed -n 's/^At block \([0-9]*\)\.$/\1/p'; }
write() { dd if=/tmp/random of="$NST" bs="$1" count="$2" iflag=fullblock; }
read_back() { dd if="$NST" of=/tmp/back bs="$1" count="${2:-1}"; }
same() { head -c "$1" /tmp/random | cmp - /tmp/back; }

for size in 1 2 511 1000 4097 10240 65536 65537 262144 1048575 1048576; do
	need mt -f "$NST" rewind
	check "a block of $size bytes is written" write $size 1
	need mt -f "$NST" rewind
	check "and read with a buffer of that size" read_back $size
	check "it has come back as it went" same $size
	equal "one block, no more" "$(object)" 1
done
need mt -f "$NST" rewind
check "a block of 8 MiB is written" write 8388608 1
need mt -f "$NST" rewind
check "and read" read_back 8388608
check "it has come back as it went" same 8388608
refuse "a block of 8 MiB + 1 is refused" "Invalid argument" write 8388609 1

need mt -f "$NST" rewind
check "three blocks of 1000" write 1000 3
check "two blocks of 70000 in a second file" write 70000 2
need mt -f "$NST" rewind
check "short blocks in a large buffer" read_back 64k 3
equal "are three short records" "$(wc -c </tmp/back)" 3000
check "a read at the filemark" read_back 64k 1
equal "is the end of the file" "$(wc -c </tmp/back)" 0
refuse "a long block in a small buffer" "Cannot allocate memory" read_back 1000 1
equal "is passed all the same" "$(object)" 5
check "the block after it" read_back 128k 1
check "is the second of its file" cmp -n 70000 -i 70000:0 /tmp/random /tmp/back
check "a read at the last filemark" read_back 64k 1
equal "is the end of the file" "$(wc -c </tmp/back)" 0
check "the first read at the end of data, after a filemark" read_back 64k 1
equal "gives nothing" "$(wc -c </tmp/back)" 0
refuse "the next fails" "Input/output error" read_back 64k 1
equal "the end of data is where it was" "$(object)" 7

need mt -f "$NST" rewind
check "dd reads the first file to its end" read_back 64k 99
check "all of it" same 3000
check "dd reads the second" read_back 128k 99
check "all of it" same 140000

need mt -f "$NST" rewind
need mt -f "$NST" setblk 512
check "fixed blocks: 20 of 512 in two writes" write 5120 2
need mt -f "$NST" rewind
check "fixed blocks: read four at a time" read_back 2048 5
check "they have come back as they went" same 10240
equal "they are 20 objects" "$(object)" 20
need mt -f "$NST" rewind
check "fixed blocks: a read of 32 stops at the filemark" read_back 16384 1
equal "with the 20 that are there" "$(wc -c </tmp/back)" 10240
check "and the next read" read_back 16384 1
equal "is the end of the file" "$(wc -c </tmp/back)" 0
refuse "fixed blocks: a write that is no multiple is refused" "Invalid argument" write 1000 1
need mt -f "$NST" setblk 0
need mt -f "$NST" rewind
check "variable mode reads a fixed block" read_back 64k 1
equal "as one of 512 bytes" "$(wc -c </tmp/back)" 512
need mt -f "$NST" setblk 1024
need mt -f "$NST" rewind
refuse "fixed mode of another length fails" "Input/output error|Cannot allocate memory" read_back 1024 1
need mt -f "$NST" setblk 0

check "the auto-rewind node" dd if=/tmp/random of="$ST" bs=32k count=4 iflag=fullblock
equal "rewinds at close" "$(object)" 0
check "a file on the rewound tape" read_back 32k 99
check "is the one written" same 131072

clean_kernel_log "the kernel's log is clean" "\[st0\] Write not multiple"
