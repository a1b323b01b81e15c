# mt: every operation, and where it leaves the tape, as the st driver's rules say (F.5/143).
. /lab/guest/lib.sh

library reel --family REL --tapes 2 --capacity 100MB

# mt status, in words: "file N block N" and the general status bits.
where() { mt -f "$NST" status | sed -n 's/^File number=\(-\{0,1\}[0-9]*\), block number=\(-\{0,1\}[0-9]*\),.*/file \1 block \2/p'; }
bits() { mt -f "$NST" status | sed -n '/General status bits/{n;p;}'; }
object() { mt -f "$NST" tell | sed -n 's/^At block \([0-9]*\)\.$/\1/p'; }
at() { equal "$1: object" "$(object)" "$2" && equal "$1: file and block" "$(where)" "$3"; }
blocks() { dd if=/dev/urandom of="$NST" bs="$1" count="$2"; }

check "mt status with no tape in the drive" mt -f "$NST" status
match "says the drive is open" "DR_OPEN"
need mtx -f "$CSG" load 1 0
need tape_ready
check "mt status" mt -f "$NST" status
match "online and at the beginning" "BOT.*ONLINE"
match "density code 5Eh" "code 0x5e"
match "variable blocks" "block size 0 bytes"
at "after a load" 0 "file 0 block 0"

check "five blocks" blocks 1000 5
at "after five blocks and the filemark that close writes" 6 "file 1 block 0"
check "three blocks" blocks 2000 3
check "two blocks" blocks 500 2
at "after three files" 13 "file 3 block 0"

check "mt rewind" mt -f "$NST" rewind
at "rewind" 0 "file 0 block 0"
match_bits() { echo "$2" >$OUT; match "$1" "$3"; }
match_bits "rewind: BOT" "$(bits)" "BOT"
check "mt fsf 1" mt -f "$NST" fsf 1
at "fsf 1" 6 "file 1 block 0"
check "mt fsr 2" mt -f "$NST" fsr 2
at "fsr 2" 8 "file 1 block 2"
check "mt bsr 1" mt -f "$NST" bsr 1
at "bsr 1" 7 "file 1 block 1"
refuse "mt fsr 5 stops at the filemark" "Input/output error" mt -f "$NST" fsr 5
at "fsr 5" 10 "file 2 block 0"
check "mt bsf 1" mt -f "$NST" bsf 1
at "bsf 1 stands before the filemark" 9 "file 1 block -1"
check "mt fsf 1" mt -f "$NST" fsf 1
at "fsf 1 from there" 10 "file 2 block 0"
refuse "mt bsr 1 over a filemark" "Input/output error" mt -f "$NST" bsr 1
equal "bsr 1 stops before the filemark" "$(object)" 9
check "mt bsfm 1" mt -f "$NST" bsfm 1
equal "bsfm 1 stands after the filemark before it" "$(object)" 6
check "mt fsfm 1" mt -f "$NST" fsfm 1
equal "fsfm 1 stands before the next" "$(object)" 9
check "mt asf 2" mt -f "$NST" asf 2
at "asf 2" 10 "file 2 block 0"
check "mt eod" mt -f "$NST" eod
at "eod" 13 "file 3 block -1"
match_bits "eod: EOD" "$(bits)" "EOD"
refuse "mt fsf 1 at the end of data" "Input/output error" mt -f "$NST" fsf 1
refuse "mt fsr 1 at the end of data" "Input/output error" mt -f "$NST" fsr 1
refuse "mt bsf 9 stops at the beginning" "Input/output error" mt -f "$NST" bsf 9
at "bsf 9" 0 "file 0 block 0"
check "mt seod" mt -f "$NST" seod
equal "seod" "$(object)" 13
check "mt seek 7" mt -f "$NST" seek 7
equal "seek 7" "$(object)" 7
equal "and there is the second block of the second file" "$(dd if="$NST" bs=64k count=1 2>/dev/null | wc -c)" 2000
check "mt seek 0" mt -f "$NST" seek 0
equal "seek 0" "$(object)" 0
refuse "mt seek 1000 fails" "Input/output error" mt -f "$NST" seek 1000
equal "and stands at the end of data" "$(object)" 13

check "mt weof 2" mt -f "$NST" weof 2
equal "weof 2" "$(object)" 15
check "mt seek 6" mt -f "$NST" seek 6
check "mt weof 1 in the middle" mt -f "$NST" weof 1
check "mt eod" mt -f "$NST" eod
equal "nothing is left behind it" "$(object)" 7
check "mt seek 2" mt -f "$NST" seek 2
check "mt erase" mt -f "$NST" erase
equal "mt erase stays where it is" "$(object)" 2
check "mt eod" mt -f "$NST" eod
equal "and leaves what was before" "$(object)" 2
check "a block more" blocks 700 1
check "mt rewind" mt -f "$NST" rewind
check "mt fsr 2" mt -f "$NST" fsr 2
equal "the new block follows" "$(dd if="$NST" bs=64k count=1 2>/dev/null | wc -c)" 700

check "mt setblk 512" mt -f "$NST" setblk 512
check "mt status" mt -f "$NST" status
match "mt status says 512" "block size 512 bytes"
refuse "mt setblk 8388609 fails" "Input/output error|Invalid argument" mt -f "$NST" setblk 8388609
check "mt setblk 0" mt -f "$NST" setblk 0
check "mt setdensity 0x5e" mt -f "$NST" setdensity 0x5e
refuse "mt setdensity 0x42 fails" "Input/output error" mt -f "$NST" setdensity 0x42
check "mt drvbuffer 1" mt -f "$NST" drvbuffer 1
check "mt compression 0" mt -f "$NST" compression 0
check "mt compression 1" mt -f "$NST" compression 1
check "mt retension" mt -f "$NST" retension
at "retension" 0 "file 0 block 0"

check "mt lock" mt -f "$NST" lock
refuse "the locked tape cannot be moved out" "[Ii]llegal|sense|53" mtx -f "$CSG" unload 1 0
check "mt unlock" mt -f "$NST" unlock
check "mt offline" mt -f "$NST" offline
check "mt status" mt -f "$NST" status
match "the drive is open" "DR_OPEN"
check "mt load" mt -f "$NST" load
check "the tape becomes ready" tape_ready
at "mt load" 0 "file 0 block 0"
check "mt offline" mt -f "$NST" offline
check "mtx unload" mtx -f "$CSG" unload 1 0
check "mtx load of the other tape" mtx -f "$CSG" load 2 0
check "the tape becomes ready" tape_ready
at "another tape" 0 "file 0 block 0"
refuse "mt fsr 1 on a blank tape" "Input/output error" mt -f "$NST" fsr 1

check "a write-protected tape: unload" mtx -f "$CSG" unload
check "a write-protected tape: protect" vloader tape protect reel REL001L8
check "a write-protected tape: load" mtx -f "$CSG" load 1 0
check "the tape becomes ready" tape_ready
check "mt status" mt -f "$NST" status
match "mt status shows write protection" "WR_PROT"
refuse "it cannot be opened for writing" "Read-only file system" blocks 1000 1
refuse "mt weof fails" "Permission denied|Read-only" mt -f "$NST" weof 1
refuse "mt erase fails" "Permission denied|Read-only|Input/output error" mt -f "$NST" erase
check "mt rewind" mt -f "$NST" rewind
equal "it can be read" "$(dd if="$NST" bs=64k count=1 2>/dev/null | wc -c)" 1000

clean_kernel_log "the kernel's log is clean" "\[st0\] Illegal block size"
