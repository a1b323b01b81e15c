package control

import "time"

// Kinds of lines in a command trace; a gap says how many commands this reader
// was too slow for.
const (
	TraceBegan   Kind = "began"
	TraceCommand Kind = "command"
)

// TracedCommand is one command of an initiator as it ended, or another line of a
// trace (see Kind).
type TracedCommand struct {
	Kind Kind `json:"kind"`

	Time         time.Time     `json:"time,omitzero"` // when it arrived
	Nanoseconds  time.Duration `json:"nanoseconds,omitempty"`
	Initiator    string        `json:"initiator,omitempty"`
	LUN          int           `json:"lun"`
	CDB          string        `json:"cdb,omitempty"`     // in hexadecimal
	Command      string        `json:"command,omitempty"` // the same in words
	Status       string        `json:"status,omitempty"`  // empty: aborted, and nobody was told
	Sense        string        `json:"sense,omitempty"`   // in words
	DataOutBytes int           `json:"dataOutBytes,omitempty"`
	DataInBytes  int           `json:"dataInBytes,omitempty"`

	Lost uint64 `json:"lost,omitempty"` // of GapKind
}
