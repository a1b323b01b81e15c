// Package service is the running whole: it opens what the configuration names,
// wires the rooms together, serves, and closes everything in reverse order.
//
//	                backup program                         person
//	                     |  iSCSI                             |  vloader, desktop app
//	               driver/iscsi                          loader/control
//	                     |  one target per loader             |
//	               driver/target                              |
//	           LUN 0 |        | LUN 1                         |
//	        driver/ssc       driver/smc                       |
//	              \           /    \                          |
//	Gate <- space  tape.Image       loader.Library  <---------+
//	                    \          /        \
//	                  BARCODE.tape, .index   slotmap
//
// # Start and end
//
// Open, in the order of contract 3.17: the state folder and the log, the
// configuration (its backup copy if it must be, which is said; if neither can be
// read the service ends and has overwritten nothing), the event journal, the two
// listeners, then every loader. A loader whose folder is missing or damaged is offline with
// its reason and is tried again from time to time; the others run. Close goes the
// same way back, and is written once.
//
// # The state folder
//
//	config.db  config.db.backup    which loaders, their secrets, settings (0600)
//	events.ndjson  events.old...   the event journal, a line each
//	vloaderd.log   vloaderd.old... the log
//
// Everything about a loader itself is in the loader's folder, so the state folder
// can be lost without losing a tape.
package service
