// Package target is the SCSI target device between a transport and its logical
// units: it finds the unit for a task, answers for units that do not exist, and
// passes task management and the comings and goings of initiators on to all.
//
//	iscsi session ── Submit(task) ──> Router ── LUN 0 ──> ssc.Drive
//	              ── Login, Lost ───>        ── LUN 1 ──> smc.Changer
//	              ── Manage ────────>        ── other ──> 5/2500, or INQUIRY 7Fh
//
// While somebody traces (Router.Trace), each task's transport is wrapped by one
// that writes down what passes; otherwise that costs one atomic load.
//
// A Router keeps no queue: order is the TaskSet's business in each unit, and
// Router.Submit hands its promise through unchanged.
package target
