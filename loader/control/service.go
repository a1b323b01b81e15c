package control

import "context"

// Service is a running virtual loader service. The service itself implements
// it, and so does [Client], which asks it over the local connection; who holds a
// Service need not know which it is. All methods may be called by many
// goroutines at once. Errors are *[Error] or wrap one; the operation then changed
// nothing, unless the message says otherwise.
type Service interface {
	Watcher
	Loaders
	Tapes
	Robot
	Preferences
}

// Watcher tells what is and what happens.
type Watcher interface {
	// Status returns the latest published picture. It never waits for a drive.
	Status(ctx context.Context) (Status, error)
	// Events returns the events that are still kept, after a sequence number.
	Events(ctx context.Context, r EventsRequest) (EventPage, error)
	// Follow calls f with every event after sequence number since, those kept
	// first (since 0: all of them), then each as it happens, until ctx ends or f
	// returns an error; it returns that error. One goroutine calls f.
	Follow(ctx context.Context, since uint64, f func(Event) error) error
	// Trace calls f with every command that an initiator sends to the loader from
	// now on, as it ends, until ctx ends, f returns an error or the loader goes
	// offline; the first call, of kind TraceBegan, says that it has begun. An f
	// that is too slow misses commands and is told how many. One goroutine calls f.
	Trace(ctx context.Context, r LoaderRef, f func(TracedCommand) error) error
}

// Loaders are the functions of contract 3.7 and 3.11 to 3.13.
type Loaders interface {
	// CreateLoader makes a backup folder a loader; a folder that already is one
	// comes back with its contents.
	CreateLoader(ctx context.Context, r NewLoader) (CreatedLoader, error)
	Loaders(ctx context.Context) ([]Loader, error)
	Loader(ctx context.Context, r LoaderRef) (Loader, error)
	// DeleteLoader takes the loader out of the configuration. The folder and all
	// that is in it stay, and CreateLoader brings them back.
	DeleteLoader(ctx context.Context, r LoaderRef) (Loader, error)
	// Inventory looks for tapes that were put into or taken out of the folder.
	Inventory(ctx context.Context, r LoaderRef) (Inventory, error)
	// Connection says how a backup program reaches the loader, secret included.
	Connection(ctx context.Context, r LoaderRef) (Connection, error)
}

// Tapes are the functions of contract 3.8 to 3.10.
type Tapes interface {
	CreateTapes(ctx context.Context, r NewTapes) (CreatedTapes, error)
	Tapes(ctx context.Context, r LoaderRef) ([]Tape, error)
	Tape(ctx context.Context, r TapeRef) (Tape, error)
	// DeleteTape removes a tape and its files. A loaded tape is in use.
	DeleteTape(ctx context.Context, r TapeRef) error
	// EraseTape makes a tape blank. A loaded tape is in use.
	EraseTape(ctx context.Context, r TapeRef) error
	// ImportTapes takes the tapes of other folders in.
	ImportTapes(ctx context.Context, r ImportRequest) (Imported, error)
	// ExportTape moves a tape's files out into a folder.
	ExportTape(ctx context.Context, r ExportRequest) error
	ProtectTape(ctx context.Context, r Protection) error
}

// Robot moves tapes.
type Robot interface {
	// Load puts a tape into the drive; the one that is in it goes back first
	// (contract 3.37).
	Load(ctx context.Context, r LoadRequest) (Moved, error)
	// Unload puts the drive's tape into a slot: the one it came from unless the
	// request names another.
	Unload(ctx context.Context, r UnloadRequest) (Moved, error)
	Move(ctx context.Context, r MoveRequest) (Moved, error)
	// Elements returns every place of a loader in address order.
	Elements(ctx context.Context, r LoaderRef) ([]Element, error)
}

// Preferences are the service's settings.
type Preferences interface {
	Settings(ctx context.Context) (Settings, error)
	// ChangeSettings replaces the settings and returns them as they now are.
	ChangeSettings(ctx context.Context, s Settings) (Settings, error)
}
