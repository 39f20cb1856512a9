/* The text of a stack, as V8 writes it, to frames. */

#include "wire_node_frames.h"

#include <string.h>

/* Take ":<number>" off the end of a location. Return -1 where there is none. */
static int64_t
take_number(slice *location)
{
    size_t at = location->length;
    int64_t number = 0;
    int64_t scale = 1;

    while (at > 0 && location->bytes[at - 1] >= '0' && location->bytes[at - 1] <= '9' &&
           scale <= 1000000000) {
        number += scale * (location->bytes[--at] - '0');
        scale *= 10;
    }
    if (at == location->length || at == 0 || location->bytes[at - 1] != ':')
        return -1;
    location->length = at - 1;
    return number;
}

static bool
drop_prefix(slice *text, const char *prefix)
{
    size_t length = strlen(prefix);

    if (text->length < length || memcmp(text->bytes, prefix, length) != 0)
        return false;
    text->bytes += length;
    text->length -= length;
    return true;
}

/* Split "name (location)" at the parenthesis that the last one closes. */
static bool
split_function(slice line, frame *into, slice *location)
{
    size_t depth = 0;

    if (line.length == 0 || line.bytes[line.length - 1] != ')')
        return false;
    for (size_t at = line.length; at-- > 1;) {
        depth += line.bytes[at] == ')';
        if (line.bytes[at] != '(' || --depth > 0)
            continue;
        if (line.bytes[at - 1] != ' ')
            return false;
        into->function = (slice){line.bytes, at - 1};
        *location = (slice){line.bytes + at + 1, line.length - at - 2};
        return true;
    }
    return false;
}

/* Read one line of a stack. Return false for lines of another form, which belong to the message. */
static bool
parse_frame(slice line, frame *into)
{
    slice location;

    if (!drop_prefix(&line, "    at "))
        return false;
    drop_prefix(&line, "async ");
    *into = (frame){.line = -1, .column = -1};
    if (!split_function(line, into, &location))
        location = line;
    into->column = take_number(&location);
    into->line = into->column >= 0 ? take_number(&location) : -1;
    if (into->line < 0) {
        into->line = into->column;
        into->column = -1;
    }
    if (memchr(location.bytes, '%', location.length) == NULL)
        drop_prefix(&location, "file://");
    if (location.length > 0)
        into->file = location;
    return true;
}

size_t
wire_node_parse_stack(const char *stack, size_t length, frame *frames)
{
    size_t count = 0;

    for (size_t at = 0; at < length && count < FRAMES_MAX;) {
        const char *end = memchr(stack + at, '\n', length - at);
        size_t stop = end != NULL ? (size_t)(end - stack) : length;
        if (parse_frame((slice){stack + at, stop - at}, &frames[count]))
            count++;
        at = stop + 1;
    }
    return count;
}
