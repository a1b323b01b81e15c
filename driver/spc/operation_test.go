package spc

import (
	"errors"
	"testing"
	"testing/synctest"

	"virtualloader/driver/scsi"
)

// What others hear while a command with IMMED goes on, from its status to its end.
func TestACommandGoesOnAfterItsStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half, release := make(chan struct{}), make(chan struct{})
		var ended error
		u := newUnit(t, func(r *Request) error {
			if r.CDB[1] == 0 {
				return nil
			}
			r.Continue(Operation{NotReady: scsi.OperationInProgressNotReady, Running: scsi.EraseOperationInProgress}, func(later *Request) error {
				if later.CDB[1] != 1 || later.Nexus != "n" || later.Command().Name != "VENDOR READ" {
					t.Errorf("carried out as %+v", later)
				}
				later.Progress(1, 2)
				close(half)
				<-release
				return errors.New("no good end")
			}, func(err error) { ended = err })
			return nil
		})
		<-issue(u, "n", 0, 0x03).done
		<-issue(u, "m", 0, 0x03).done
		if o := <-issue(u, "n", 1, vendorRead, 1).done; o.Status != scsi.Good {
			t.Fatalf("status %v", o.Status)
		}
		<-half
		progress := scsi.Progress(1, 2)
		for _, n := range []scsi.Nexus{"n", "m"} {
			for _, op := range []byte{vendorRead, 0x00} {
				if s := senseOf(<-issue(u, n, 2, op).done); s.Key != scsi.NotReady || s.Code != scsi.OperationInProgressNotReady || s.Specific != progress {
					t.Errorf("%s, command %02X: %v, % X", n, op, &s, s.Specific)
				}
			}
			w := issue(u, n, 3, 0x03, 0, 0, 0, 18)
			<-w.done
			if s, _ := scsi.ParseSense(w.in); s.Key != scsi.NoSense || s.Code != scsi.EraseOperationInProgress || s.Specific != progress {
				t.Errorf("REQUEST SENSE of %s: % X", n, w.in)
			}
		}
		if o := <-issue(u, "n", 4, 0x12, 0, 0, 0, 36).done; o.Status != scsi.Good {
			t.Errorf("INQUIRY: %v", o)
		}
		if u.AbortTask("n", 1) {
			t.Error("a command that was answered is aborted")
		}
		u.Lost("n") // does not wait
		waiting := issue(u, "m", 5, 0x1A, 0, 0x0A, 0, 255)
		synctest.Wait()
		select {
		case <-waiting.done:
			t.Error("MODE SENSE did not wait for its turn")
		default:
		}
		close(release)
		<-waiting.done
		if ended == nil {
			t.Error("nobody heard of the error")
		}
		if s := senseOf(<-issue(u, "n", 6, vendorRead).done); s.Code != scsi.NexusLossOccurred {
			t.Errorf("after it: %v", &s)
		}
		if o := <-issue(u, "n", 7, vendorRead).done; o.Status != scsi.Good {
			t.Errorf("after it: %v", o)
		}
		u.Close()
	})
}
