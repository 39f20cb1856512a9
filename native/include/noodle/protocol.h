/* The protocol: what host and worker say to each other in the records of a channel.  Version 2.
 *
 * channel.h carries records, wire.h gives their payloads a form; this header says what they mean.
 * "Caller" is the side that sends a request, "owner" the side on which the object with an id lives.
 * Both sides may call: the host sends CALL, a worker CALLBACK, with payloads of one form.
 *
 * Records (enum noodle_kind)
 *   CALL, CALLBACK   A request.  The payload is one list: [operation, id, argument...].
 *                    call_id   Never 0; the caller's own number, not used again on this link while it
 *                              is open.  CALL and CALLBACK count apart.
 *                    chain_id  The chain of nested calls that the request belongs to.  A request made
 *                              while serving another carries that one's chain.
 *                    deadline  When the caller stops waiting, or 0.
 *   REPLY            The payload is the result.  call_id is the request's; the direction says whose.
 *   ERROR            The same for a request that failed: one ERROR of wire.h.
 *   CANCEL           No payload: nobody waits for call_id any more.  The request still gets its REPLY or
 *                    ERROR, which the caller drops, after releasing the references in it.  A worker that
 *                    cannot end it at once, but runs none of its code, says so with CONTROL [PENDING, id]
 *                    on the same channel: then the call does not cost it its life.
 *                    The host cancels on the channel of the call; a worker on channel 0, whose thread
 *                    listens while others are busy with what is cancelled.  It may come there before
 *                    its CALLBACK does on another channel, or after the answer.
 *   RELEASE          The payload is a list of [id, sent]: the peer has let go of `sent` sendings of these
 *                    objects of the receiver, which keeps an object until all of them are.  Not answered.
 *   CONTROL          The payload is a list [subject, detail...] (enum noodle_subject).  Not answered.
 * A payload that exceeds a ring travels in a segment (NOODLE_IN_SEGMENT); its form is the same.
 * A CALLBACK whose worker stands still until the answer comes says so (NOODLE_BLOCKING); the host then
 * sees calls that cannot go on.
 *
 * Which channel.  A reply comes on the channel of its request.  While a thread waits for a reply it
 * serves every request that arrives on its channels: nested calls run on the thread that waits for
 * their chain.  Requests that no waiting thread owns (timers, events, foreign threads) come on
 * channel 0, which belongs to the host's serving thread for that worker.
 *
 * Order.  Requests of one channel start in order.  Replies come in any order: a request whose result
 * is a promise is answered when that is settled, and others are served meanwhile.
 *
 * Objects.  What is not a value crosses as a REFERENCE: the owner keeps the object until the other
 * side has released every sending.  An id is unique for its owner while its process lives and is
 * never used again; id 0 is the owner's root: host 0 is the engine, worker 0 the worker itself.  A
 * REFERENCE whose owner is the receiver stands for the object itself.
 *
 * Segments.  Memory that both sides see belongs to the host.  Each ARRAY in a segment, and each payload
 * in a segment, that the host sends lends that segment to the worker once more; so does the answer to
 * OP_SEGMENT, by which a worker asks for memory to send something in.  The worker tells with CONTROL
 * [RETURNED, [segment, times]...] how many of these loans it has let go.  It may send what it was lent,
 * wholly or in part; that is no loan.  A worker can also make a memfd (noodle_segment_make), unmap it,
 * send the descriptor as NOODLE_MESSAGE_SEGMENT under a number of its own, from NOODLE_OWN_SEGMENT on
 * and never used again, and then name that number once in a record.
 *
 * Handshake.  The worker's first record, on channel 0, is CONTROL [READY, protocol, wire, channel,
 * runtime, version, incarnation].  Versions that differ end the worker with an error that names them.
 *
 * Compatibility.  Host and worker are of one build, or the handshake fails; so a number here may change
 * its meaning with NOODLE_PROTOCOL_VERSION and not otherwise.
 */
#ifndef NOODLE_PROTOCOL_H
#define NOODLE_PROTOCOL_H

#define NOODLE_PROTOCOL_VERSION 2

/* What a request asks of the object with the given id. */
enum noodle_operation {
    NOODLE_OP_CALL = 0,        /* id, argument...               call it; a promise is waited for */
    NOODLE_OP_CALL_NAMED = 1,  /* id, {name: value}, argument... call with keyword arguments */
    NOODLE_OP_METHOD = 2,      /* id, name, argument...         call its method, with itself as `this` */
    NOODLE_OP_NEW = 3,         /* id, argument...               construct an instance */
    NOODLE_OP_GET = 4,         /* id, name                      read a property; a method comes bound */
    NOODLE_OP_SET = 5,         /* id, name, value */
    NOODLE_OP_DELETE = 6,      /* id, name */
    NOODLE_OP_HAS = 7,         /* id, name                      -> bool */
    NOODLE_OP_NAMES = 8,       /* id                            -> list of its public names */
    NOODLE_OP_ITEM = 9,        /* id, key                       read an item: x[key] */
    NOODLE_OP_SET_ITEM = 10,   /* id, key, value */
    NOODLE_OP_LENGTH = 11,     /* id                            -> int */
    NOODLE_OP_ITERATE = 12,    /* id                            -> reference of an iterator */
    NOODLE_OP_NEXT = 13,       /* id, most                      -> [done, item...], at most `most` items;
                                  at the end of a generator of Python `done` may be [result] */
    NOODLE_OP_AWAIT = 14,      /* id                            wait for a promise or coroutine */
    NOODLE_OP_TEXT = 15,       /* id                            -> str: how the object shows itself */
    NOODLE_OP_VALUE = 16,      /* id                            -> a copy by value, or an error */
    NOODLE_OP_IMPORT = 17,     /* 0, specifier, directory       load a module -> its reference */
    NOODLE_OP_DESCRIBE = 18,   /* id, name  -> [kind, parameter names, documentation] of a member */
    NOODLE_OP_STATISTICS = 19, /* 0                             -> {name: number} of the worker */
    NOODLE_OP_BATCH = 20,      /* id, arity, [argument...]      call once for each `arity` arguments, or, arity
                                *                              being nil, for each list of arguments ->
                                *                              [results], or [results, the ERROR of the call
                                *                              behind them]; only the host asks for it */
    NOODLE_OP_CLOSE = 21,      /* id                            end an iterator or context early */
    NOODLE_OP_SEGMENT = 22,    /* 0, bytes                      -> segment, lent to the worker that asks */
    NOODLE_OP_COLLECT = 23     /* 0                             look for memory that nobody uses, and let
                                *                               it go; the loans are returned later */
};

/* Numbers of segments that a worker made; below 2^53. */
#define NOODLE_OWN_SEGMENT (UINT64_C(1) << 52)

/* What a CONTROL record is about. */
enum noodle_subject {
    NOODLE_SUBJECT_READY = 0,     /* worker -> host: the handshake, see above */
    NOODLE_SUBJECT_STOP = 1,      /* host -> worker: end when nothing runs any more */
    NOODLE_SUBJECT_DROPPED = 2,   /* host -> worker: unmap these segments [number...] */
    NOODLE_SUBJECT_UNCAUGHT = 3,  /* worker -> host: an error that no call was waiting for */
    NOODLE_SUBJECT_RETURNED = 4,  /* worker -> host: loans let go, [segment, times]... */
    NOODLE_SUBJECT_PENDING = 5    /* worker -> host: calls [call id...] that were cancelled, and run no
                                   * code: their results wait for something */
};

#endif
