/* What the parts of a call share: host_calls.c, where the usual one runs, and for the rest host_waits.c,
 * host_answers.c and host_retired.c. */
#ifndef NOODLE_HOST_CALLS_INTERNAL_H
#define NOODLE_HOST_CALLS_INTERNAL_H

#include "host.h"

#define HELD_NS UINT64_C(5000)
/* Chosen: two wake-ups across the processors of a virtual machine take 80 to 150 us. */
#define HELD_WAKE_NS UINT64_C(250000)
/* Chosen: so many records before a thread lets others have the GIL, and looks at the clock. */
#define BATCH 256

/* `host_pace.fits` of a function nine of ten of whose answers came within the held wait. */
#define FITS_ONE 65536u
#define FITS_ENOUGH 58982u
#define FITS_SHIFT 4

static inline void
note_pace(host_pace *pace, bool fitted)
{
    pace->fits -= pace->fits >> FITS_SHIFT;
    if (fitted)
        pace->fits += FITS_ONE >> FITS_SHIFT;
}

/* Whether another thread is taken to want the GIL all the time. */
bool host_gil_is_contended(void);
/* The long wait, until the call is answered.  Returns 0, or -1 with an exception. */
COLD int host_wait_slowly(host_thread *thread, host_call *call, host_pace *pace);

/* The end of a worker concerns whoever waits for it, and not a call to another worker that has looked at
 * its lane.  The lane may go.  Returns 0, or -1 with an exception. */
COLD int host_raise_end(Link *link, const host_call *own);
/* The same for a worker that is killed for what it has written. */
COLD int host_broke_protocol(Link *link, const host_call *own, const char *reason);

/* A record could not be handled.  If that ended its worker, a call to another one goes on. */
COLD int host_record_failed(const host_lane *lane, const host_call *own);

/* Keeps an answer for the call that is not the innermost one. */
COLD int host_stash_answer(host_call *call, const noodle_record *record, const unsigned char *payload);
/* Of an answer that was kept. */
COLD void host_drop_payload(host_call *call);
/* Handles a record that is no answer.  Returns 0, or -1 with an exception. */
COLD int host_take_rare(host_thread *thread, host_lane *lane, const noodle_record *record,
                        const unsigned char *payload);
/* Raises what an answer of kind ERROR holds, which is stolen, or the failure of a callback if that is it. */
COLD PyObject *host_raise_answer(Link *link, PyObject *error, PyObject *failure);

/* Reads the answer to a call that nobody waits for any more, for the references in it. */
COLD int host_drop_late(host_lane *lane, const noodle_record *record, const unsigned char *payload,
                        const host_call *own);
/* The call has failed on this side.  After an interrupt the user wants it to end, with or without a
 * deadline; but a call that the worker has not begun holds nobody up. */
COLD void host_give_up(const host_call *call);

#endif
