# Bacula's own test of a tape drive and a changer (F.5/147). `test` writes 1.3 GB, and
# `fill` reads 10000 records back, so the tapes are not smaller.
. /lab/interop/scenario/lib.sh

need unpack
library carousel --family BTP --tapes 2 --capacity 2GB

cat >/tmp/sd.conf <<CONF
Storage {
  Name = guest-sd
  WorkingDirectory = /tmp
  Pid Directory = /tmp
}
Director {
  Name = guest-dir
  Password = none
}
Autochanger {
  Name = Carousel
  Device = Drive
  Changer Device = $CSG
  Changer Command = "/etc/bacula/scripts/mtx-changer %c %o %S %a %d"
}
Device {
  Name = Drive
  Media Type = LTO
  Archive Device = $NST
  Autochanger = yes
  Drive Index = 0
  AutomaticMount = yes
  AlwaysOpen = yes
  RemovableMedia = yes
  RandomAccess = no
}
Messages {
  Name = Standard
  console = all
}
CONF

# ask COMMAND ANSWER...: runs one of btape's commands. Its exit status is that of quit; what counts is said.
ask() { printf '%s\n' "$@" quit | timeout 240 btape -c /tmp/sd.conf "$NST" | head -c 1000000; }

drive_holds() { mtx -f "$CSG" status | sed -n 's/^Data Transfer Element 0:Full (Storage Element \([0-9]*\) Loaded).*/\1/p'; }

need mtx -f "$CSG" load 2 0
need tape_ready
check "btape test" ask test y
cp $OUT /lab/btape.test
match "10000 blocks are read back" "10000 blocks re-read correctly"
equal "write, rewind, re-read; positions: both succeed" "$(grep -c '^=== Test Succeeded. End Write, rewind, and re-read test' $OUT)" 2
equal "positions: six blocks found" "$(grep -c '^Block [0-9]* re-read correctly' $OUT)" 6
equal "append: the scan is as the sample" "$(grep -c '^Total files=4, blocks=7, bytes = 451,136$' $OUT)" 2
match "backspace over a filemark and a block" "Block re-read correct. Test succeeded!"
equal "every file position is right: append 3, 4; fsf 1, 3, 4, 5" "$(sed -n 's/^We should be in file \([0-9]\). I am at file \1. This is correct!$/\1/p' $OUT | tr '\n' ' ')" "3 4 1 3 4 5 "
match "its autochanger test worked" "The test autochanger worked!!"
none "no word of an error" "[^O] error[^s]|Bad status|invalid|failed|not correct|wrong"
equal "the changer put slot 1's tape into the drive" "$(drive_holds)" 1

check "btape autochanger" ask autochanger y
match "the autochanger test worked" "The test autochanger worked!!"
match "it found out which slot is loaded" "Slot 1 loaded. I am going to unload it"

check "btape fill, one tape" ask fill s
cp $OUT /lab/btape.fill
match "it reached the end of the tape" "End of Volume \"TestVolume1\" .* Write of 64512 bytes got -1"
match "the last block was read back at once" "Re-read of last block succeeded"
match "the last block is found again" "The last block on the tape matches. Test succeeded."

check "btape fill, two tapes" ask fill m
cp $OUT /lab/btape.fill2
match "the first tape's last block is found again" "The last block of the first tape matches"
match "the second tape's first block is found" "The first block on the second tape matches"
match "the second tape's last block is found again" "The last block on the second tape matches"
equal "the changer put slot 2's tape into the drive" "$(drive_holds)" 2

# With one tape and such blocks, btape 9.6 asks itself for ever for the rest of the record
# that did not fit into the last one, whatever the drive.
sed -i 's/^  RandomAccess = no/&\n  Maximum Block Size = 262144/' /tmp/sd.conf
check "btape fill, two tapes, blocks of 256 KiB" ask fill m
cp $OUT /lab/btape.fill256
match "the blocks have 256 KiB" "End of Volume \"TestVolume1\" .* Write of 262144 bytes got -1"
match "the first tape's last block is found again" "The last block of the first tape matches"
match "the second tape's last block is found again" "The last block on the second tape matches. Test succeeded."
clean_kernel_log "the kernel's log is clean"
