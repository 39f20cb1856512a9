/* The wire format: how values, references and errors are written as bytes between host and workers.
 *
 * Purpose.  One codec for both ends of a channel.  This header is the contract; native/core/wire_*.c
 * implements it in plain C11.  The adapters native/python/wire_python*.c and native/node/wire_node*.c
 * turn objects of their runtime into calls of the writer, and tokens of the reader into objects.
 *
 * The format is MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md, the version
 * with ext types and the timestamp extension).  A message is exactly one MessagePack object, so any
 * MessagePack library can read its structure.  Two peers may talk only if their WIRE_VERSION is
 * equal; the channel's handshake compares it.
 *
 * Kinds of values
 *   nil             None, null.
 *   bool
 *   int             -2^63 .. 2^64-1 in the shortest form; anything larger is ext BIGINT.
 *   float           Always 64 bits when written; 32 bits are accepted.  Infinities and -0 keep their
 *                   value, a NaN stays a NaN but its payload and sign are not promised.
 *   text            str: UTF-8 without surrogates.  Text that UTF-8 cannot carry (a lone surrogate)
 *                   is ext TEXT16.
 *   binary          bin: bytes.
 *   list            MessagePack's "array".  The word array means numbers in memory, ext ARRAY.
 *   map             Keys may be any value that the receiver can hash.  Of equal keys the last wins.
 *   extension       One of wire_extension below.  A type that is not listed is refused.
 *
 * Extensions.  Integers inside payloads are little-endian, at the offsets given; "reserved" bytes
 * are written as 0 and anything else is refused, so that a later version can give them a meaning.
 *
 *   TIMESTAMP  -1   MessagePack's: an instant.  All three of its forms are read; the shortest is
 *                   written.  A runtime with coarser time rounds towards the past (CPython's datetime
 *                   keeps microseconds, a JavaScript Date milliseconds).
 *   BIGINT      1   0: sign, 0 or 1 (negative); 1..: magnitude, at most WIRE_BIGINT_MAX bytes.
 *                   Leading zero digits are accepted.
 *   TEXT16      2   UTF-16 code units, any, an even number of bytes.
 *   SET         3   One list with the members.  Of equal members one remains.
 *   UNDEFINED   4   Empty.  JavaScript's undefined.
 *   ARRAY       5   0: placement, 1: dtype, 2: dimensions, 3: flags, 4: u32 item size, 8: time unit,
 *                   9: reserved, 10: u16 count of time units, 12: u32 reserved, 16: u64 segment,
 *                   24: u64 offset of the first item, 32: i64 shape[], then i64 strides[] in bytes,
 *                   then the memory itself when the placement is INLINE.  The offset counts from
 *                   the start of the segment, or of the inline memory.
 *   REFERENCE   6   0: owner, 1: kind, 2: u16 reserved, 4: u32 sendings, 8: u64 id,
 *                   16: u64 incarnation of the owner's process, 24..: name of the type or function,
 *                   UTF-8, at most WIRE_NAME_MAX bytes, for people only.
 *                   A callback is a REFERENCE of kind FUNCTION.
 *   ERROR       7   One list of 6: language, type, message (texts), frames (a list of lists
 *                   [file, line, column, function]; each nil when unknown; outermost call first),
 *                   cause (an ERROR or nil), extra (a map of anything else; of these keys: notes, a
 *                   list of texts; errors, a list of ERRORs that it has collected, at most 256 in a
 *                   value; original, a REFERENCE of the exception on its owner's side).
 *   LOCAL_TIME  8   i64 seconds, u32 nanoseconds: a date and time of day without a zone, counted as if
 *                   it stood in UTC.  JavaScript has no such type and refuses it.
 *   PYTHON      9   One list [kind, item...], see wire_python_kind: what only Python has.  It is written
 *                   where both peers are Python; any other refuses it.
 *
 * What is refused: a message that ends early, bytes after the message, the byte 0xc1, lengths beyond
 * the buffer, unknown extensions, payloads that are not of the form above, nesting, elements or bytes
 * beyond the limits.  Accepted although this codec never writes them: longer forms than needed of
 * ints, lengths and ext headers, and float32.
 *
 * Hostile peers.  The reader loads each byte at most once before it decides about it, keeps what it
 * decided in its own memory, and never lets an address or a size depend on a second load.  It stays
 * in bounds even when another process changes the buffer while it reads.  Payloads (text, binary,
 * extensions) are slices of the buffer: who interprets one with code that loads bytes twice copies
 * it first when `reader.shared` is set.  The adapters do that.
 *
 * Stack.  Nothing here recurses.  The adapters recurse once per nesting level, at most
 * WIRE_DEPTH_MAX times; the tests prove a bound on the stack that this takes.
 *
 * Threads.  A writer or reader belongs to one thread at a time.  There is no global state.
 */
#ifndef NOODLE_WIRE_H
#define NOODLE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WIRE_VERSION 2

/* Chosen: deeper than real data, and 512 frames of an adapter fit the smallest common thread stack. */
#define WIRE_DEPTH_MAX 512
/* NumPy's limit before 2.0, and the buffer protocol's convention. */
#define WIRE_DIMENSIONS_MAX 32
/* Chosen: 2^524288; quadratic work on a number of this size still ends in milliseconds. */
#define WIRE_BIGINT_MAX 65536
#define WIRE_NAME_MAX 255

typedef enum wire_status {
    WIRE_OK = 0,
    WIRE_FULL = 1,          /* writer: the buffer is too small; `length` is what is needed so far */
    WIRE_TRUNCATED = 2,     /* the message ends within a value */
    WIRE_TRAILING = 3,      /* bytes follow the message */
    WIRE_INVALID = 4,       /* not MessagePack: the byte 0xc1 */
    WIRE_BAD_TEXT = 5,      /* not UTF-8, or half a UTF-16 unit */
    WIRE_BAD_EXTENSION = 6, /* an unknown extension, or a payload that is not of its form */
    WIRE_BAD_ARRAY = 7,     /* an array descriptor that contradicts itself or leaves its memory */
    WIRE_TOO_DEEP = 8,
    WIRE_TOO_MANY = 9,      /* more elements than the limit */
    WIRE_TOO_LARGE = 10,    /* more bytes than the limit, or than MessagePack can express */
    WIRE_NO_MEMORY = 11,    /* the writer's `grow` failed, or the runtime has no memory */
    /* Found by adapters only. */
    WIRE_UNSENDABLE = 12,   /* a value that does not go by value, and no hook took it */
    WIRE_CHANGED = 13,      /* a container changed while it was written */
    WIRE_UNHASHABLE = 14,   /* a key or a member that the receiver cannot hash */
    WIRE_UNREADABLE = 15    /* a well-formed value that the receiver's runtime cannot hold */
} wire_status;

/* Return a text such as "the message ends within a value", and a name such as "WIRE_TRUNCATED".
 * Never NULL. */
const char *wire_status_text(wire_status status);
const char *wire_status_name(wire_status status);

typedef enum wire_extension {
    WIRE_TIMESTAMP = -1,
    WIRE_BIGINT = 1,
    WIRE_TEXT16 = 2,
    WIRE_SET = 3,
    WIRE_UNDEFINED = 4,
    WIRE_ARRAY = 5,
    WIRE_REFERENCE = 6,
    WIRE_ERROR = 7,
    WIRE_LOCAL_TIME = 8,
    WIRE_PYTHON = 9
} wire_extension;

/* Kinds of PYTHON, with their items. */
typedef enum wire_python_kind {
    WIRE_PYTHON_TUPLE = 0,       /* its items */
    WIRE_PYTHON_SLICE = 1,       /* start, stop, step */
    WIRE_PYTHON_ELLIPSIS = 2,    /* none */
    WIRE_PYTHON_COMPLEX = 3,     /* two floats: the real and the imaginary part */
    WIRE_PYTHON_FROZENSET = 4,   /* its members */
    WIRE_PYTHON_CLASS = 5,       /* its name, a TEXT: a class that is built into Python */
    WIRE_PYTHON_NAMED_TUPLE = 6, /* the class's name, the fields' names with spaces between (TEXTs),
                                  * then an item for each of these: one or more */
    WIRE_PYTHON_DICT_CLASS = 7   /* "Counter" or "OrderedDict" (a TEXT), and a map */
} wire_python_kind;

/* Limits on one message.  The caller sets all three; wire_default_limits() gives the usual ones. */
typedef struct wire_limits {
    uint32_t depth;    /* nested containers; at most WIRE_DEPTH_MAX, larger is taken as that */
    uint64_t elements; /* list items, plus keys and values of maps, plus logical array items */
    uint64_t bytes;    /* length of the message */
} wire_limits;

/* WIRE_DEPTH_MAX levels, 2^28 elements, 2^31 bytes. */
wire_limits wire_default_limits(void);

/* ------------------------------------------------------------------------------------ Arrays */

typedef enum wire_dtype {
    WIRE_DTYPE_BOOL = 1, /* one byte, 0 or 1 */
    WIRE_DTYPE_I8 = 2,
    WIRE_DTYPE_I16 = 3,
    WIRE_DTYPE_I32 = 4,
    WIRE_DTYPE_I64 = 5,
    WIRE_DTYPE_U8 = 6,
    WIRE_DTYPE_U16 = 7,
    WIRE_DTYPE_U32 = 8,
    WIRE_DTYPE_U64 = 9,
    WIRE_DTYPE_F16 = 10,
    WIRE_DTYPE_F32 = 11,
    WIRE_DTYPE_F64 = 12,
    WIRE_DTYPE_C64 = 13,  /* two f32 */
    WIRE_DTYPE_C128 = 14, /* two f64 */
    WIRE_DTYPE_DATETIME = 15,
    WIRE_DTYPE_TIMEDELTA = 16,
    WIRE_DTYPE_BYTES = 17, /* NumPy's S: item size 1 or more, padded with zeros */
    WIRE_DTYPE_TEXT = 18   /* NumPy's U: item size a multiple of 4, UTF-32, padded with zeros */
} wire_dtype;
/* 32 to 63 are kept for structs.  All memory is little-endian. */

/* Units of DATETIME and TIMEDELTA, as in NumPy; 0 for every other dtype and for its generic unit. */
typedef enum wire_time_unit {
    WIRE_UNIT_NONE = 0,
    WIRE_UNIT_YEAR = 1,
    WIRE_UNIT_MONTH = 2,
    WIRE_UNIT_WEEK = 3,
    WIRE_UNIT_DAY = 4,
    WIRE_UNIT_HOUR = 5,
    WIRE_UNIT_MINUTE = 6,
    WIRE_UNIT_SECOND = 7,
    WIRE_UNIT_MILLISECOND = 8,
    WIRE_UNIT_MICROSECOND = 9,
    WIRE_UNIT_NANOSECOND = 10,
    WIRE_UNIT_PICOSECOND = 11,
    WIRE_UNIT_FEMTOSECOND = 12,
    WIRE_UNIT_ATTOSECOND = 13
} wire_time_unit;

typedef enum wire_placement {
    WIRE_INLINE = 0, /* the memory follows the descriptor */
    WIRE_SEGMENT = 1 /* the memory lies in a shared segment that the receiver was granted */
} wire_placement;

#define WIRE_ARRAY_READONLY 1u
/* Contiguous in Fortran's order and not in C's.  A flag that contradicts the strides is refused. */
#define WIRE_ARRAY_FORTRAN 2u

typedef struct wire_array {
    uint8_t placement;
    uint8_t dtype;
    uint8_t dimensions;
    uint8_t flags;
    uint8_t time_unit;
    uint16_t time_unit_count; /* 1 for "datetime64[s]", 10 for "[10s]"; 0 without a unit */
    uint32_t item_size;
    uint64_t segment;         /* 0 when inline */
    uint64_t offset;
    int64_t shape[WIRE_DIMENSIONS_MAX];
    int64_t strides[WIRE_DIMENSIONS_MAX];
    /* Set by wire_array_read and wire_array_check, ignored when writing. */
    const uint8_t *memory;    /* the inline memory; NULL in a segment */
    uint64_t memory_length;
    uint64_t elements;        /* product of the shape */
    bool c_contiguous;
} wire_array;

/* Return the item size of a dtype, or 0 where the array says it (BYTES, TEXT) or it is unknown. */
uint32_t wire_dtype_size(uint8_t dtype);

/* Fill `strides` in C order and `elements` from shape and item size.  WIRE_TOO_LARGE on overflow. */
wire_status wire_array_set_c_order(wire_array *array);

/* Copy the items into packed memory, last axis fastest.  `first` is the item at index 0, wherever the
 * strides lead from there; `to` has room for `elements` items. */
void wire_array_pack(const wire_array *array, const uint8_t *first, uint8_t *to);

/* Check a descriptor against the memory it may touch, without overflow.
 *
 * `granted` is the length of the inline memory or of the granted segment.  Every item lies inside it;
 * shape and item size fit the dtype; items are at most `elements`.  An array whose items overlap or
 * repeat (zero strides) gets WIRE_ARRAY_READONLY; so does one where that cannot be excluded cheaply.
 * Sets `elements`, `c_contiguous`. */
wire_status wire_array_check(wire_array *array, uint64_t granted, uint64_t elements);

/* Read the payload of an ARRAY into the caller's memory.  What is inline has passed wire_array_check;
 * for a segment the caller calls it with the segment's length, which only the caller knows. */
wire_status wire_array_read(const uint8_t *payload, size_t length, uint64_t elements,
                            wire_array *array);

/* Return whether private memory of `count` packed items holds only values that its dtype knows.
 *
 * NumPy trusts two dtypes blindly: a bool other than 0 and 1 makes it count wrong, and write outside
 * of a result; a code point beyond U+10FFFF makes an invalid str.  Others are always valid. */
bool wire_items_valid(uint8_t dtype, const uint8_t *memory, uint64_t length);

/* ------------------------------------------------------------------------- References, instants */

typedef enum wire_owner { WIRE_OWNER_HOST = 0, WIRE_OWNER_WORKER = 1 } wire_owner;

typedef enum wire_reference_kind {
    WIRE_KIND_OBJECT = 1,
    WIRE_KIND_FUNCTION = 2,
    WIRE_KIND_ASYNC_FUNCTION = 3,
    WIRE_KIND_CLASS = 4,
    WIRE_KIND_ITERATOR = 5,
    WIRE_KIND_ASYNC_ITERATOR = 6,
    WIRE_KIND_AWAITABLE = 7,
    WIRE_KIND_MODULE = 8
} wire_reference_kind;

typedef struct wire_reference {
    uint8_t owner;
    uint8_t kind;
    /* How many sendings of the object this stands for: 1 from its owner.  The receiver adds them up, and
     * a release names how many of them it has let go: so sendings that travel on several channels may be
     * read in any order, and a release and a new sending may cross on the way. */
    uint32_t sent;
    uint64_t id;
    uint64_t incarnation; /* changes with each restart of the owner's process */
    const char *name;     /* not terminated; a slice of the message when read */
    size_t name_length;
} wire_reference;

wire_status wire_reference_read(const uint8_t *payload, size_t length, wire_reference *reference);

typedef struct wire_instant {
    int64_t seconds;      /* since 1970-01-01 00:00 UTC, without leap seconds */
    uint32_t nanoseconds; /* 0 .. 999999999, counted forward from `seconds` */
} wire_instant;

/* Read the payload of a TIMESTAMP (`type` -1) or a LOCAL_TIME. */
wire_status wire_instant_read(int8_t type, const uint8_t *payload, size_t length,
                              wire_instant *instant);

typedef struct wire_bigint {
    bool negative;
    const uint8_t *magnitude; /* little-endian, without leading zeros when read */
    size_t length;            /* 0 for zero */
} wire_bigint;

wire_status wire_bigint_read(const uint8_t *payload, size_t length, wire_bigint *number);

/* ------------------------------------------------------------------------------------ Writer */

/* Appends to a buffer of the caller.
 *
 * When the buffer is full and `grow` is NULL, nothing more is stored but `length` goes on counting: a
 * value that was written to its end has told the size that it needs, and the caller writes it once
 * more into a larger buffer.  Where writing has effects (a hook that registers references), set
 * `grow`: it is asked for a buffer of at least `needed` bytes with the first `used` bytes kept, and
 * the value is written once.
 *
 * The first error sticks in `status`; further calls then do nothing but count. */
typedef struct wire_writer wire_writer;

struct wire_writer {
    uint8_t *buffer;
    size_t capacity;
    size_t length;
    wire_limits limits;
    uint32_t depth;
    wire_status status;
    /* Set buffer and capacity and return true, or return false.  `used` bytes must be kept. */
    bool (*grow)(wire_writer *writer, size_t used, size_t needed);
    void *context; /* the caller's */
};

void wire_writer_init(wire_writer *writer, void *buffer, size_t capacity, wire_limits limits);

/* Each returns the writer's status, so that the first error is seen wherever it is looked for. */
wire_status wire_write_nil(wire_writer *writer);
wire_status wire_write_bool(wire_writer *writer, bool value);
wire_status wire_write_int(wire_writer *writer, int64_t value);
wire_status wire_write_uint(wire_writer *writer, uint64_t value);
wire_status wire_write_float(wire_writer *writer, double value);
/* The bytes must be UTF-8; the receiver refuses anything else.  See wire_text_form. */
wire_status wire_write_text(wire_writer *writer, const char *bytes, size_t length);
/* Code units in the machine's order. */
wire_status wire_write_text16(wire_writer *writer, const uint16_t *units, size_t count);
wire_status wire_write_binary(wire_writer *writer, const void *bytes, size_t length);
wire_status wire_write_undefined(wire_writer *writer);
/* The magnitude may have leading zeros.  What fits 64 bits is written as an int. */
wire_status wire_write_bigint(wire_writer *writer, bool negative, const uint8_t *magnitude,
                              size_t length);
wire_status wire_write_timestamp(wire_writer *writer, wire_instant instant);
wire_status wire_write_local_time(wire_writer *writer, wire_instant instant);
wire_status wire_write_reference(wire_writer *writer, const wire_reference *reference);
wire_status wire_write_extension(wire_writer *writer, int8_t type, const void *payload,
                                 size_t length);

/* A header; the caller then writes `count` items, or `count` keys and values in turn.  Counts as one
 * level until wire_leave. */
wire_status wire_enter_list(wire_writer *writer, size_t count);
wire_status wire_enter_map(wire_writer *writer, size_t count);
void wire_leave(wire_writer *writer);

/* An extension whose payload is written with this writer: SET and ERROR.  Counts as one level.
 * `*start` is for wire_leave_extension, which fills in the length. */
wire_status wire_enter_extension(wire_writer *writer, int8_t type, size_t *start);
wire_status wire_leave_extension(wire_writer *writer, size_t start);

/* An ARRAY.  For WIRE_INLINE the receiver's memory is `array->memory_length` bytes, and the return
 * value `*memory` says where the caller stores them: inside the buffer, or NULL when they did not fit
 * (nothing is to be stored then).  For WIRE_SEGMENT `memory` may be NULL. */
wire_status wire_write_array(wire_writer *writer, const wire_array *array, uint8_t **memory);

/* Bytes that are one or more complete values already. */
wire_status wire_write_encoded(wire_writer *writer, const void *bytes, size_t length);

/* ------------------------------------------------------------------------------------ Reader */

typedef enum wire_kind {
    WIRE_NIL = 0,
    WIRE_BOOL = 1,
    WIRE_INT = 2,  /* integer: -2^63 .. 2^63-1 */
    WIRE_UINT = 3, /* natural: 2^63 .. 2^64-1 */
    WIRE_FLOAT = 4,
    WIRE_TEXT = 5,
    WIRE_BINARY = 6,
    WIRE_LIST = 7,
    WIRE_MAP = 8,
    WIRE_EXTENSION = 9
} wire_kind;

typedef struct wire_token {
    wire_kind kind;
    int8_t type; /* of an EXTENSION */
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double number;
        uint32_t count; /* items of a LIST, pairs of a MAP */
        size_t length;  /* bytes of a TEXT, BINARY or EXTENSION */
    };
    const uint8_t *bytes; /* of a TEXT, BINARY or EXTENSION: a slice of the buffer */
} wire_token;

typedef struct wire_reader {
    const uint8_t *next;
    const uint8_t *end;
    uint64_t elements; /* still allowed */
    uint32_t depth;    /* levels still allowed */
    wire_status status;
    bool shared;       /* another process may change the buffer while it is read */
} wire_reader;

/* `shared` says that someone else may change the bytes meanwhile. */
wire_status wire_reader_init(wire_reader *reader, const void *bytes, size_t length,
                             wire_limits limits, bool shared);

/* Read one token.  Of a LIST or MAP the items follow; at least one byte for each of them is left in
 * the buffer, so memory for `count` items may be allocated at once.  Text is not checked.  The first
 * error sticks. */
wire_status wire_read(wire_reader *reader, wire_token *token);

/* Around the items of a LIST or MAP: one level down, and up again. */
wire_status wire_descend(wire_reader *reader);
void wire_ascend(wire_reader *reader);

/* Read the payload of SET or ERROR: `inner` reads it, one level down, under what is left of the
 * limits.  wire_close checks that it was read to its end, and gives what is left back. */
wire_status wire_open(wire_reader *reader, const wire_token *extension, wire_reader *inner);
wire_status wire_close(wire_reader *reader, const wire_reader *inner);

/* Pass over one complete value, checking nesting and lengths but no payloads. */
wire_status wire_skip(wire_reader *reader);

/* Check that nothing follows the message. */
wire_status wire_finish(wire_reader *reader);

/* -------------------------------------------------------------------------------------- Text */

typedef enum wire_text_form {
    WIRE_TEXT_ASCII = 0,
    WIRE_TEXT_UTF8 = 1,
    WIRE_TEXT_BROKEN = 2 /* truncated, overlong, a surrogate, or beyond U+10FFFF */
} wire_text_form;

/* Say what bytes are, by table 3-7 of the Unicode standard. */
wire_text_form wire_text_form_of(const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif
