# Encryption, compression, partitions, READ REVERSE and WORM as foreign programs see
# them: stenc, mt, dd, sg_raw (F.2/66; specification B.5, B.8, C.10, C.12).
. /lab/interop/scenario/lib.sh

library media --family MED --tapes 2 --capacity 256MB --compression
need unpack
folder=/disk/media
need mtx -f "$CSG" load 1 0
need tape_ready
tape=$(mtx -f "$CSG" status | sed -n 's/^Data Transfer Element 0:Full.*VolumeTag = \([A-Z0-9]*\).*/\1/p')
need test -f "$folder/$tape.tape"

# Encryption. The clear text is easy to find in a payload file.
yes "a sentence that nobody may read on the disk" | head -c 1048576 >/tmp/clear
head -c 32 /dev/urandom | od -An -tx1 -v | tr -d ' \n' >/tmp/key1
echo >>/tmp/key1
echo "first key" >>/tmp/key1
head -c 32 /dev/urandom | od -An -tx1 -v | tr -d ' \n' >/tmp/key2
echo >>/tmp/key2
echo "second key" >>/tmp/key2

check "stenc asks for the state" stenc -f "$TSG" --detail
cp $OUT /lab/stenc.detail
check "stenc switches encryption on" stenc -f "$TSG" -e on -k /tmp/key1 -a 1
check "stenc sees it on" stenc -f "$TSG" --detail
match "with AES-256-GCM" "AES|Encrypt"
cp $OUT /lab/stenc.on
check "dd writes under the key" dd if=/tmp/clear of="$NST" bs=64k
check "rewind" mt -f "$NST" rewind
check "dd reads under the key" dd if="$NST" of=/tmp/back bs=64k
check "the data is equal" cmp /tmp/clear /tmp/back
equal "the payload file holds none of the clear text" "$(grep -ac "nobody may read" "$folder/$tape.tape")" 0
check "rewind" mt -f "$NST" rewind
check "stenc tells of the encrypted volume" stenc -f "$TSG" --detail
match "its key descriptor comes back" "first key"
check "stenc switches encryption off" stenc -f "$TSG" -e off -a 1
check "rewind" mt -f "$NST" rewind
refuse "without the key nothing is read" "Input/output error" dd if="$NST" of=/tmp/back bs=64k
check "stenc sets another key" stenc -f "$TSG" -e on -k /tmp/key2 -a 1
check "rewind" mt -f "$NST" rewind
refuse "with a wrong key nothing is read" "Input/output error" dd if="$NST" of=/tmp/back bs=64k
check "stenc sets the right key again" stenc -f "$TSG" -e mixed -k /tmp/key1 -a 1
check "rewind" mt -f "$NST" rewind
check "dd reads again" dd if="$NST" of=/tmp/back bs=64k
check "the data is equal again" cmp /tmp/clear /tmp/back
check "stenc switches encryption off" stenc -f "$TSG" -e off -a 1

# Compression: the host asks, the loader allows it.
need mtx -f "$CSG" unload 1 0
need mtx -f "$CSG" load 2 0
need tape_ready
tape=$(mtx -f "$CSG" status | sed -n 's/^Data Transfer Element 0:Full.*VolumeTag = \([A-Z0-9]*\).*/\1/p')
check "mt switches compression on" mt -f "$NST" compression 1
check "dd writes what can be compressed" dd if=/tmp/clear of="$NST" bs=64k
check "rewind" mt -f "$NST" rewind
check "dd reads it" dd if="$NST" of=/tmp/back bs=64k
check "the data is equal" cmp /tmp/clear /tmp/back
size=$(stat -c %s "$folder/$tape.tape")
[ "$size" -lt 262144 ] && pass "a megabyte takes $size bytes on the disk" || fail "a megabyte takes $size bytes on the disk"
check "sg_logs sees the compression page" sg_logs --page=0x1b "$TSG"

# READ REVERSE, from behind the last block of the file.
check "rewind" mt -f "$NST" rewind
check "past two blocks" mt -f "$NST" fsr 2
check "sg_raw reads the block before" sg_raw -r 65536 -o /tmp/reverse "$TSG" 0f 04 01 00 00 00
head -c 131072 /tmp/clear | tail -c 65536 >/tmp/want
check "it is the second one" cmp /tmp/reverse /tmp/want
check "rewind" mt -f "$NST" rewind

# Partitions.
check "st can use partitions" mt -f "$NST" stsetoptions can-partitions
check "mt makes a second partition of 64 MB" mt -f "$NST" mkpartition 64
check "mt goes to partition 1" mt -f "$NST" setpartition 1
check "dd writes there" dd if=/tmp/key1 of="$NST" bs=64k
check "mt goes to partition 0" mt -f "$NST" setpartition 0
check "dd writes here" dd if=/tmp/key2 of="$NST" bs=64k
check "mt goes to partition 1 again" mt -f "$NST" setpartition 1
check "rewind" mt -f "$NST" rewind
check "dd reads there" dd if="$NST" of=/tmp/back bs=64k
check "what was written there" cmp /tmp/back /tmp/key1
check "mt goes to partition 0 again" mt -f "$NST" setpartition 0
check "rewind" mt -f "$NST" rewind
check "dd reads here" dd if="$NST" of=/tmp/back bs=64k
check "what was written here" cmp /tmp/back /tmp/key2
check "each partition has its file" cmp "$folder/$tape.tape.p1" /tmp/key1

need mtx -f "$CSG" unload 2 0

# WORM: what is written stays, and more can follow it.
worm=$(vloader tape create media --worm)
match_worm=$(echo "$worm" | grep -c 'LY$')
equal "a WORM tape's barcode says so: $worm" "$match_worm" 1
need vloader load media "$worm"
need tape_ready
check "dd writes the first file" dd if=/tmp/key1 of="$NST" bs=64k
check "dd writes a second file behind it" dd if=/tmp/key2 of="$NST" bs=64k
check "rewind" mt -f "$NST" rewind
refuse "dd cannot write over the first" "Input/output error|Permission denied|Read-only" dd if=/tmp/key2 of="$NST" bs=64k
check "rewind" mt -f "$NST" rewind
refuse "mt cannot erase it" "Input/output error|Permission denied|Read-only" mt -f "$NST" erase
check "rewind" mt -f "$NST" rewind
check "dd reads the first file" dd if="$NST" of=/tmp/back bs=64k
check "as it was" cmp /tmp/back /tmp/key1
need vloader unload media
for t in "$folder"/MED*.tape; do
	check "vloader tape check $(basename "$t")" vloader tape check "$t"
done
clean_kernel_log "the kernel's log is clean" "st[0-9]*:|\[st[0-9]*\]|Current: |Sense|sense|Add\. "
