# mtx with 1000 slots (F.5/145).
. /lab/guest/lib.sh

library shelf --slots 1000 --family SHF --tapes 996 --capacity 100MB

status() { mtx -f "$CSG" status >/tmp/status; }
# in_slot N: the barcode in a storage or import/export element; in_drive: "slot barcode" of the drive.
in_slot() { status; sed -n "s/^ *Storage Element $1\( IMPORT\/EXPORT\)\{0,1\}:Full :VolumeTag=\([^ ]*\) *\$/\2/p" /tmp/status; }
in_drive() { status; sed -n 's/^Data Transfer Element 0:Full (Storage Element \([0-9]*\) Loaded):VolumeTag = \([^ ]*\) *$/\1 \2/p' /tmp/status; }

check "mtx inquiry" mtx -f "$CSG" inquiry
match "it is a changer with removable media" "Product Type: Medium Changer"
check "mtx status" mtx -f "$CSG" status
cp $OUT /tmp/status
match "mtx status: one drive, 1004 slots, 4 of them import/export" "Storage Changer .*:1 Drives, 1004 Slots \( 4 Import/Export \)"
equal "mtx status lists 1000 slots" "$(grep -c 'Storage Element [0-9]*:' /tmp/status)" 1000
equal "mtx status lists 4 import/export elements" "$(grep -c 'IMPORT/EXPORT:Empty' /tmp/status)" 4
equal "996 slots are full and have a barcode" "$(grep -c ':Full :VolumeTag=SHF[0-9]*L8' /tmp/status)" 996
equal "no barcode twice" "$(sed -n 's/.*VolumeTag=\([^ ]*\).*/\1/p' /tmp/status | sort | uniq -d)" ""
equal "slot 1 holds the first tape" "$(in_slot 1)" SHF001L8
equal "slot 996 holds the last" "$(in_slot 996)" SHF996L8
equal "slot 1000 is empty" "$(in_slot 1000)" ""
equal "the drive is empty" "$(in_drive)" ""
check "mtx inventory" mtx -f "$CSG" inventory

check "mtx load 5 0" mtx -f "$CSG" load 5 0
equal "the drive holds slot 5's tape" "$(in_drive)" "5 SHF005L8"
equal "slot 5 is empty" "$(in_slot 5)" ""
check "the tape becomes ready" tape_ready
refuse "load into a full drive is refused" "Drive 0 Full" mtx -f "$CSG" load 6 0
equal "nothing moved" "$(in_slot 6)" SHF006L8
check "a small archive" tar -cf "$NST" -C "$SOURCE" VERSION
check "mtx unload to its own slot, without mt offline" mtx -f "$CSG" unload 5 0
equal "slot 5 has it back" "$(in_slot 5)" SHF005L8
refuse "unload of an empty drive is refused" "Empty" mtx -f "$CSG" unload 5 0
refuse "load from an empty slot is refused" "Empty|Source Element Address" mtx -f "$CSG" load 1000 0
refuse "slot 1005 is not there" "Invalid|out of range|[Ii]llegal" mtx -f "$CSG" load 1005 0

check "mtx load 5 0 again" mtx -f "$CSG" load 5 0
check "the tape becomes ready" tape_ready
check "the archive is on it" tar -tf "$NST"
match "as written" "^VERSION$"
check "mtx unload to another slot" mtx -f "$CSG" unload 1000 0
equal "slot 1000 has it" "$(in_slot 1000)" SHF005L8
check "mtx transfer 1000 5" mtx -f "$CSG" transfer 1000 5
equal "slot 5 has it" "$(in_slot 5)" SHF005L8
refuse "transfer from an empty slot is refused" "Empty|[Ii]llegal|sense" mtx -f "$CSG" transfer 1000 999
refuse "transfer to a full slot is refused" "Full|[Ii]llegal|sense" mtx -f "$CSG" transfer 1 2
check "mtx transfer to import/export" mtx -f "$CSG" transfer 7 1001
equal "import/export element 1001 has it" "$(in_slot 1001)" SHF007L8
check "mtx transfer back" mtx -f "$CSG" transfer 1001 7
check "mtx exchange 1 2" mtx -f "$CSG" exchange 1 2
equal "slot 1 has the second tape" "$(in_slot 1)" SHF002L8
equal "slot 2 has the first" "$(in_slot 2)" SHF001L8
check "mtx exchange 1 2 999" mtx -f "$CSG" exchange 1 2 999
equal "slot 2 has the second tape" "$(in_slot 2)" SHF002L8
equal "slot 999 has the first" "$(in_slot 999)" SHF001L8
refuse "exchange with a full second destination is refused" "Full|[Ii]llegal|sense" mtx -f "$CSG" exchange 2 3 4
equal "nothing moved" "$(in_slot 2) $(in_slot 3) $(in_slot 4)" "SHF002L8 SHF003L8 SHF004L8"
check "mtx transfer 999 1" mtx -f "$CSG" transfer 999 1

check "mtx first" mtx -f "$CSG" first 0
equal "the drive holds slot 1's tape" "$(in_drive)" "1 SHF001L8"
check "mtx next" mtx -f "$CSG" next 0
equal "the drive holds slot 2's tape" "$(in_drive)" "2 SHF002L8"
check "mtx previous" mtx -f "$CSG" previous 0
equal "the drive holds slot 1's tape" "$(in_drive)" "1 SHF001L8"
check "mt lock" mt -f "$NST" lock
refuse "unload of a locked tape is refused" "[Ii]llegal|sense|53" mtx -f "$CSG" unload 1 0
equal "it is still in the drive" "$(in_drive)" "1 SHF001L8"
check "mt unlock" mt -f "$NST" unlock
check "mtx unload without a slot" mtx -f "$CSG" unload
equal "slot 1 has its tape" "$(in_slot 1)" SHF001L8

check "a tape made by the service" vloader tape create shelf
equal "is seen by mtx in the first free slot" "$(in_slot 997)" SHF997L8
check "the service deletes it" vloader tape delete shelf SHF997L8 --yes
equal "and mtx no longer sees it" "$(in_slot 997)" ""
check "a second one" vloader tape create shelf
equal "has a number never used before" "$(in_slot 997)" SHF998L8
check "the command line loads a tape" vloader load shelf SHF010L8
equal "and mtx sees it in the drive" "$(in_drive)" "10 SHF010L8"
check "the tape becomes ready" tape_ready
check "the command line unloads it" vloader unload shelf
equal "and mtx sees it in its slot" "$(in_slot 10)" SHF010L8

need mtx -f "$CSG" load 10 0
need tape_ready
refuse "the tape in the drive cannot be deleted" "drive|loaded|use" vloader tape delete shelf SHF010L8 --yes
refuse "nor erased" "drive|loaded|use" vloader tape erase shelf SHF010L8 --yes
mkdir /tmp/away
check "a tape is exported" vloader tape export shelf SHF020L8 --folder /tmp/away
equal "its slot is empty" "$(in_slot 20)" ""
check "its files are in the folder" test -f /tmp/away/SHF020L8.tape
check "and imported" vloader tape import shelf /tmp/away/SHF020L8.tape
status
equal "mtx sees it again" "$(grep -c 'Full :VolumeTag=SHF020L8' /tmp/status)" 1
cp $DISK/shelf/SHF030L8.* /tmp/away
check "a tape's files vanish from the folder" rm $DISK/shelf/SHF030L8.tape $DISK/shelf/SHF030L8.index
check "mtx inventory" mtx -f "$CSG" inventory
equal "mtx no longer sees it" "$(in_slot 30)" ""
cp /tmp/away/SHF030L8.* $DISK/shelf/
check "they come back; mtx inventory" mtx -f "$CSG" inventory
status
equal "mtx sees it again" "$(grep -c 'Full :VolumeTag=SHF030L8' /tmp/status)" 1
check "mtx -f nobarcode: raw elements" mtx -f "$CSG" nobarcode status

clean_kernel_log "the kernel's log is clean"
