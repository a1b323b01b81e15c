package control

import "time"

// Kind says what kind of event it is.
type Kind string

// Kinds of events.
const (
	ServiceStarted   Kind = "service-started"
	ServiceStopping  Kind = "service-stopping"
	LoaderCreated    Kind = "loader-created"
	LoaderDeleted    Kind = "loader-deleted"
	LoaderOnline     Kind = "loader-online"
	LoaderOffline    Kind = "loader-offline"
	TapeCreated      Kind = "tape-created"
	TapeDeleted      Kind = "tape-deleted"
	TapeErased       Kind = "tape-erased"
	TapeImported     Kind = "tape-imported"
	TapeExported     Kind = "tape-exported"
	TapeProtected    Kind = "tape-protected"
	TapeMoved        Kind = "tape-moved"
	TapeDamaged      Kind = "tape-damaged"
	InventoryChanged Kind = "inventory-changed"
	BlankMissing     Kind = "blank-missing" // a blank tape is needed and cannot be made
	SpaceChanged     Kind = "space-changed"
	SettingsChanged  Kind = "settings-changed"
	Recovered        Kind = "recovered" // a backup copy was used
	SessionOpened    Kind = "session-opened"
	SessionClosed    Kind = "session-closed"
	LoginRefused     Kind = "login-refused"

	// GapKind marks events that this reader can no longer get; Lost of them up
	// to Sequence. Status shows where things stand.
	GapKind Kind = "gap"
	// heartbeatKind keeps an idle stream alive; a client swallows it.
	heartbeatKind Kind = "heartbeat"
)

// Severity is how much an event matters to a person.
type Severity string

// Severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Alert   Severity = "alert"
)

// Event is one thing that happened.
type Event struct {
	Sequence uint64    `json:"sequence,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Kind     Kind      `json:"kind"`
	Severity Severity  `json:"severity,omitempty"`
	Loader   string    `json:"loader,omitempty"`
	Barcode  string    `json:"barcode,omitempty"`
	Message  string    `json:"message,omitempty"` // one sentence for a person
	Level    string    `json:"level,omitempty"`   // of SpaceChanged
	Lost     uint64    `json:"lost,omitempty"`    // of GapKind
}

// EventsRequest asks for the kept events after sequence number Since, at most
// Limit (0: all that are kept).
type EventsRequest struct {
	Since uint64 `json:"since,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// EventPage is a run of events; Last is the newest number there is.
type EventPage struct {
	Events []Event `json:"events"`
	Last   uint64  `json:"last"`
}
