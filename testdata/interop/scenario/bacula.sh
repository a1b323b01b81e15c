# Bacula with its director, storage and file daemons: a backup over several volumes
# by the autochanger, an incremental one behind it, and their restore (F.5/147).
. /lab/interop/scenario/lib.sh

need unpack
library vault --family BAC --tapes 5 --capacity 60MB

# What the package's installation does: the catalog's back end is SQLite.
ln -sf libbaccats-sqlite3-9.6.7.so /usr/lib/bacula/libbaccats-9.6.7.so
mkdir -p /var/lib/bacula /tmp/restored /data
mount -t tmpfs tmpfs /data
need sqlite3 -init /dev/null -cmd '.read /usr/share/dbconfig-common/data/bacula-director-sqlite3/install/sqlite3' /var/lib/bacula/bacula.db .quit

cat >/tmp/dir.conf <<CONF
Director {
  Name = guest-dir
  DirAddress = 127.0.0.1
  QueryFile = /etc/bacula/scripts/query.sql
  WorkingDirectory = /var/lib/bacula
  PidDirectory = /run
  Password = secret
  Messages = Log
}
Catalog {
  Name = Catalog
  dbname = bacula
  dbuser = ""
  dbpassword = ""
}
Client {
  Name = guest-fd
  Address = 127.0.0.1
  Password = secret
  Catalog = Catalog
}
Autochanger {
  Name = Vault
  Address = 127.0.0.1
  Password = secret
  Device = Vault
  Media Type = LTO
  Autochanger = yes
}
Pool {
  Name = Tapes
  Pool Type = Backup
}
FileSet {
  Name = Data
  Include {
    Options {
      signature = SHA1
    }
    File = /data
  }
}
Job {
  Name = Backup
  Type = Backup
  Level = Full
  Client = guest-fd
  FileSet = Data
  Storage = Vault
  Pool = Tapes
  Messages = Log
}
Job {
  Name = Restore
  Type = Restore
  Client = guest-fd
  FileSet = Data
  Storage = Vault
  Pool = Tapes
  Messages = Log
  Where = /tmp/restored
}
Job {
  Name = Verify
  Type = Verify
  Level = VolumeToCatalog
  Verify Job = Backup
  Client = guest-fd
  FileSet = Data
  Storage = Vault
  Pool = Tapes
  Messages = Log
}
Messages {
  Name = Log
  append = /lab/bacula.log = all, !skipped
}
CONF
cat >/tmp/sd.conf <<CONF
Storage {
  Name = guest-sd
  SDAddress = 127.0.0.1
  WorkingDirectory = /var/lib/bacula
  Pid Directory = /run
}
Director {
  Name = guest-dir
  Password = secret
}
Autochanger {
  Name = Vault
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
  Alert Command = "/etc/bacula/scripts/tapealert %l"
  Control Device = $TSG
  Maximum File Size = 20MB
}
Messages {
  Name = Log
  director = guest-dir = all
}
CONF
cat >/tmp/fd.conf <<CONF
FileDaemon {
  Name = guest-fd
  FDAddress = 127.0.0.1
  WorkingDirectory = /var/lib/bacula
  Pid Directory = /run
}
Director {
  Name = guest-dir
  Password = secret
}
Messages {
  Name = Log
  director = guest-dir = all, !skipped, !restored
}
CONF
cat >/tmp/bconsole.conf <<CONF
Director {
  Name = guest-dir
  address = 127.0.0.1
  Password = secret
}
CONF

# console LINE...: what bconsole answers.
console() { printf '%s\n' "$@" quit | timeout 240 bconsole -c /tmp/bconsole.conf; }
sql() { sqlite3 /var/lib/bacula/bacula.db "$1"; }
# last: "status errors files" of the job that was made last; status T is "terminated normally".
last() { sql "SELECT JobStatus, JobErrors, JobFiles FROM Job ORDER BY JobId DESC LIMIT 1" | tr '|' ' '; }
# job LINE...: runs one and waits for it.
job() { console "$@" wait; }

daemons=
for daemon in sd fd dir; do
	need bacula-$daemon -t -c /tmp/$daemon.conf
	bacula-$daemon -f -c /tmp/$daemon.conf >/lab/bacula-$daemon.out 2>&1 </dev/null &
	daemons="$daemons $!"
done
need eventually 20 console "status client=guest-fd"

check "the catalog takes the slots' barcodes: label barcodes" console "label barcodes storage=Vault drive=0 slots=1-5 pool=Tapes" yes
equal "five tapes are labelled" "$(grep -c '3000 OK label' $OUT)" 5
equal "and in the catalog, each with its slot" "$(sql 'SELECT VolumeName, Slot, InChanger FROM Media ORDER BY Slot' | tr '\n' ' ')" \
	"BAC001L8|1|1 BAC002L8|2|1 BAC003L8|3|1 BAC004L8|4|1 BAC005L8|5|1 "

cp -a "$SOURCE/src" /data/
[ $failures -eq 0 ] || exit 1 # a backup would wait for volumes for ever
files=$(find /data | wc -l)
check "full backup" job "run job=Backup level=Full yes"
set -- $(last)
equal "it ended well, without an error" "$1 $2" "T 0"
equal "with every file" "$3" "$files"
full=$(sql "SELECT VolumeName FROM Media WHERE VolStatus = 'Full' ORDER BY Slot" | tr '\n' ' ')
volumes=$(sql "SELECT COUNT(DISTINCT MediaId) FROM JobMedia")
say "full: $full; volumes used: $volumes"
[ "$volumes" -ge 3 ] && pass "over three volumes or more: $volumes" || fail "over three volumes: $volumes"
equal "all but the last are full" "$(echo $full | wc -w)" $((volumes - 1))
equal "no volume has an error" "$(sql 'SELECT SUM(VolErrors) FROM Media')" 0

check "verify: the tapes against the catalog" job "run job=Verify yes"
equal "it ended well" "$(last | cut -d ' ' -f 1,2)" "T 0"

sleep 1
echo "new since the full backup" >/data/new
echo "and changed" >>/data/src/net/http/server.go
check "incremental backup" job "run job=Backup level=Incremental yes"
set -- $(last)
equal "it ended well, without an error" "$1 $2" "T 0"
equal "on the volume that was not full" "$(sql 'SELECT COUNT(DISTINCT MediaId) FROM JobMedia')" "$volumes"

check "restore of the newest state" job "restore client=guest-fd storage=Vault where=/tmp/restored current select all done yes"
equal "it ended well, without an error" "$(last | cut -d ' ' -f 1,2)" "T 0"
check "the restored tree is as the data" diff -r --no-dereference /data /tmp/restored/data
# Bacula keeps times in seconds.
attributes() { (cd "$1" && find . -type f -printf '%p %m %Ts\n' | sort | sha1sum); }
equal "with times and modes" "$(attributes /tmp/restored/data)" "$(attributes /data)"

check "restore of one file, from the middle of the volumes" job "restore client=guest-fd storage=Vault where=/tmp/single file=/data/src/go/parser/parser.go current yes"
check "it is as the data" cmp /data/src/go/parser/parser.go /tmp/single/data/src/go/parser/parser.go

check "update slots" console "update slots storage=Vault drive=0"
check "status storage" console "status storage=Vault"
match "the drive is mounted" "\"Drive\".* mounted with"
check "unmount" console "unmount storage=Vault drive=0"
match "the device is let go" "3002 Device|unmounted"

grep -Ei 'error|fatal|alert' /lab/bacula.log | grep -Eiv 'Errors: +0|Alert: Volume="[^"]*" alert=none|FD errors|SD errors' >$OUT
[ -s $OUT ] && { fail "Bacula's log speaks of no error"; note <$OUT; } || pass "Bacula's log speaks of no error"

kill $daemons
clean_kernel_log "the kernel's log is clean"
