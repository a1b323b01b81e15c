// Package kernel puts a real Linux kernel in front of the service: its st, sg and
// ch drivers, open-iscsi, and the programs people use with them (lsscsi, sg3_utils,
// mtx, mt, tar, dd).
//
// The kernel is User-Mode Linux, Debian's package user-mode-linux: a kernel that
// is an ordinary process, boots in two seconds and needs no privilege. A [Lab] is
// what all guests of one run share: the programs under test, built without cgo, and a
// small library without which UML does not run on processors with AMX. A [Guest]
// is one boot: it runs one scenario and stops.
//
//	host                                guest
//	----                                -----
//	go test                             init: host's / read-only, overlay in memory
//	  Lab: bin/ xstate.so                 |
//	  Guest.Dir  <--- hostfs, rw --->   /lab   scenario/NAME.sh, guest/lib.sh, bin/
//	    output   <--- followed ------     |
//	    status   <--- awaited -------   vloaderd run, on 127.0.0.1:3260 of the guest
//	    disk     <--- ubd0 ---------->  /disk  the backup folders, ext4
//	                                    iscsid, st, sg, ch; mtx, mt, tar
//
// A scenario is a shell script of checks in the Test Anything Protocol; the words
// it uses are in guest/lib.sh. [TestKernel] runs the scenarios side by side, as many
// at once as go test's -parallel says; a guest has one processor.
package kernel
