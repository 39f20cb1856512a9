/* What the functions of the native core return.
 *
 * Numbers are part of the ABI: a value is never given another meaning.
 */
#ifndef NOODLE_STATUS_H
#define NOODLE_STATUS_H

typedef enum noodle_status {
    NOODLE_OK = 0,
    NOODLE_READY = 1,        /* there is something to take, or the space that was lacking */
    NOODLE_EMPTY = 2,        /* no record */
    NOODLE_FULL = 3,         /* no space now; the peer has to take something first */
    NOODLE_NOT_YET = 4,      /* spun as long as it was allowed to */
    NOODLE_PEER_PARKED = 5,  /* the peer sleeps: block at once instead of spinning */
    NOODLE_SLICE = 6,        /* the slice is over, or a signal came: check signals, wait on */
    NOODLE_TIMEOUT = 7,      /* the deadline has passed */
    NOODLE_PEER_DEAD = 8,    /* the peer's process has ended; everything it sent has been taken */
    NOODLE_TOO_LARGE = 9,    /* would never fit: send it through a segment */
    NOODLE_TOO_SMALL = 10,   /* the caller's buffer is too small; nothing was taken */
    NOODLE_PROTOCOL = 11,    /* the peer broke the protocol: what it came from is condemned */
    NOODLE_FORKED = 12,      /* made before a fork and used in the child */
    NOODLE_REFUSED = 13,     /* against a rule of trust; the caller copies instead */
    NOODLE_LIMIT = 14,       /* a limit on memory, descriptors, workers or elements */
    NOODLE_INVALID = 15,     /* an argument against the contract: our bug */
    NOODLE_SYSTEM = 16       /* the system refused; errno says why */
} noodle_status;

/* The name of a status without its prefix, e.g. "PEER_DEAD"; "UNKNOWN" for any other number. */
const char *noodle_status_name(noodle_status status);

#endif
