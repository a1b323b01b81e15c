//go:build unix

package tape

import (
	"os"
	"syscall"
	"testing"
)

// blocksOf returns how many bytes of the disk a file takes.
func blocksOf(t *testing.T, path string) (int64, bool) {
	t.Helper()
	st, err := os.Stat(path)
	must(t, err)
	return st.Sys().(*syscall.Stat_t).Blocks * 512, true
}
