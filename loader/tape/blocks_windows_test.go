package tape

import "testing"

func blocksOf(*testing.T, string) (int64, bool) { return 0, false }
