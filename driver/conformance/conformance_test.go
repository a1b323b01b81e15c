package conformance_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"virtualloader/driver/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChecklistInThisProcess(t *testing.T) {
	for _, item := range conformance.Items() {
		t.Run(item.Number+" "+item.Name, func(t *testing.T) {
			if err := conformance.Run(newStage(t), item); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
