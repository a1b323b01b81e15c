# Ten loaders, ten backups at once and ten restores at once (3.6), and no eleventh.
. /lab/guest/lib.sh

disk
need service_start
need initiator_start
for n in 1 2 3 4 5 6 7 8 9 10; do
	loader "l$n" --slots 20 --family "T$n" --tapes 2 --capacity 50MB --auth none
done
refuse "an eleventh loader is refused" "ten|10" vloader loader create l11 --folder $DISK/l11 --auth none
check "and nothing is left of it" test ! -e $DISK/l11
check "discovery" discover
equal "lists ten targets" "$(grep -c : $OUT)" 10
drives=
for n in 1 2 3 4 5 6 7 8 9 10; do
	need login "iqn.2026-11.io.virtualloader:l$n"
	need mtx -f "$CSG" load 1 0
	need tape_ready
	drives="$drives $NST"
done
equal "ten drives, each its own" "$(echo $drives | tr ' ' '\n' | sort -u | wc -l)" 10

# at_once WHAT: does it with every drive and a tree of its own, all at the same time.
at_once() {
	jobs=
	for nst in $drives; do
		tree=$(echo fmt strings bytes bufio sort os io time sync math | cut -d ' ' -f $((${nst#/dev/nst} + 1)))
		"$1" "$nst" "$tree" >"/tmp/log.$tree" 2>&1 &
		jobs="$jobs $!"
	done
	good=0
	for job in $jobs; do wait "$job" && good=$((good + 1)); done
	cat /tmp/log.* >$OUT
	equal "$1 on ten drives at once" $good 10 || note <$OUT
}
backup() { tar -b 128 -cf "$1" -C "$SOURCE/src" "$2" && mt -f "$1" rewind; }
restore() { mkdir "/tmp/r$2" && tar -b 128 -xf "$1" -C "/tmp/r$2" && diff -r "$SOURCE/src/$2" "/tmp/r$2/$2"; }
at_once backup
at_once restore
check "vloader status" vloader status
equal "knows of ten hosts' sessions" "$(grep -c 'Host' $OUT)" 10
clean_kernel_log "the kernel's log is clean"
