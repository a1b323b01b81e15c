// Package space watches how much room is left on the volumes that hold backup
// folders, and says so in four levels (contract 3.14, 3.34; spec C.14):
//
//	free, % of the volume    level        what follows
//	6 and more               Fine         -
//	below 6                  Warned       alert; no blank tape is made by itself
//	below 5                  Floor        new writes are refused; a host can close its file
//	below 1, or disk full    Emergency    everything that writes is refused
//
// A level is left again only when free space is one percent above what it was
// entered at, so that it does not flicker. "Free" is what an unprivileged writer
// can still use; percent is of the size of the volume.
//
// One life of a measurement: a [Watcher] has one goroutine for each volume, not
// for each folder. It measures every second and a half, and faster the sooner the
// floor would be reached at the rate at which space went away; it publishes the
// level, and when that changed it calls Changed once. [Volume.Level] is one
// atomic load, cheap enough for the drive to ask before every write.
package space
