/* The names and texts of the codec's statuses, and its limits. */
#include "noodle/wire.h"

static const struct {
    const char *name;
    const char *text;
} statuses[] = {
    [WIRE_OK] = {"WIRE_OK", "no error"},
    [WIRE_FULL] = {"WIRE_FULL", "the buffer is too small for the message"},
    [WIRE_TRUNCATED] = {"WIRE_TRUNCATED", "the message ends within a value"},
    [WIRE_TRAILING] = {"WIRE_TRAILING", "bytes follow the message"},
    [WIRE_INVALID] = {"WIRE_INVALID", "the message is not MessagePack"},
    [WIRE_BAD_TEXT] = {"WIRE_BAD_TEXT", "the message holds text that is not UTF-8"},
    [WIRE_BAD_EXTENSION] = {"WIRE_BAD_EXTENSION",
                            "the message holds an extension that is unknown or malformed"},
    [WIRE_BAD_ARRAY] = {"WIRE_BAD_ARRAY",
                        "the message holds an array that contradicts itself or leaves its memory"},
    [WIRE_TOO_DEEP] = {"WIRE_TOO_DEEP", "the value is nested deeper than the limit"},
    [WIRE_TOO_MANY] = {"WIRE_TOO_MANY", "the value has more elements than the limit"},
    [WIRE_TOO_LARGE] = {"WIRE_TOO_LARGE", "the value takes more bytes than the limit"},
    [WIRE_NO_MEMORY] = {"WIRE_NO_MEMORY", "there is no memory for the message"},
    [WIRE_UNSENDABLE] = {"WIRE_UNSENDABLE", "the value cannot be sent"},
    [WIRE_CHANGED] = {"WIRE_CHANGED", "the value changed while it was written"},
    [WIRE_UNHASHABLE] = {"WIRE_UNHASHABLE", "the message holds a key that cannot be hashed"},
    [WIRE_UNREADABLE] = {"WIRE_UNREADABLE", "the message holds a value that this end cannot hold"},
};

const char *
wire_status_text(wire_status status)
{
    return status <= WIRE_UNREADABLE ? statuses[status].text : "unknown status";
}

const char *
wire_status_name(wire_status status)
{
    return status <= WIRE_UNREADABLE ? statuses[status].name : "WIRE_UNKNOWN";
}

wire_limits
wire_default_limits(void)
{
    return (wire_limits){.depth = WIRE_DEPTH_MAX,
                         .elements = UINT64_C(1) << 28,
                         .bytes = UINT64_C(1) << 31};
}
