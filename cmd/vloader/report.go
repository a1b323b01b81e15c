package main

import (
	"fmt"
	"io"

	"virtualloader/loader/control"
	"virtualloader/loader/tape"
)

// report is what check and mend print.
type report struct {
	Barcode         string    `json:"barcode"`
	Objects         uint64    `json:"objects"`
	Filemarks       uint64    `json:"filemarks"`
	PayloadBytes    int64     `json:"payloadBytes"`
	CheckedObjects  uint64    `json:"checkedObjects"`
	CheckedBytes    int64     `json:"checkedBytes"`
	UnsyncedObjects uint64    `json:"unsyncedObjects"`
	ExtraBytes      int64     `json:"extraBytes"`
	Problems        []problem `json:"problems"`
	Changes         []string  `json:"changes"`
}

type problem struct {
	Object uint64 `json:"object"`
	What   string `json:"what"`
}

func reportOf(r tape.Report) report {
	out := report{
		Barcode: r.Barcode, Objects: r.Info.Objects, Filemarks: r.Info.Filemarks, PayloadBytes: r.Info.PayloadBytes,
		CheckedObjects: r.CheckedObjects, CheckedBytes: r.CheckedBytes, UnsyncedObjects: r.UnsyncedObjects, ExtraBytes: r.ExtraBytes,
		Problems: []problem{}, Changes: append([]string{}, r.Changes...),
	}
	for _, p := range r.Problems {
		out.Problems = append(out.Problems, problem{p.Object, p.String()})
	}
	return out
}

func (a *app) printReport(t tape.Report) error {
	r := reportOf(t)
	return a.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s\t%d objects, %d of them filemarks, %s of payload\n", r.Barcode, r.Objects, r.Filemarks, control.FormatBytes(r.PayloadBytes))
		if r.UnsyncedObjects > 0 {
			fmt.Fprintf(w, "unsynced\t%d whole objects behind the last flush; the next load keeps them\n", r.UnsyncedObjects)
		}
		if r.ExtraBytes > 0 {
			fmt.Fprintf(w, "torn\t%d bytes behind the last whole object; the next load cuts them off\n", r.ExtraBytes)
		}
		for _, p := range r.Problems {
			fmt.Fprintf(w, "problem\tobject %d: %s\n", p.Object, p.What)
		}
		for _, c := range r.Changes {
			fmt.Fprintf(w, "changed\t%s\n", c)
		}
		if len(r.Problems) == 0 {
			fmt.Fprintln(w, "every record is as it was written")
		}
	})
}
