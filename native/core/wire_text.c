/* Whether bytes are well-formed UTF-8. */
#include "wire_internal.h"

/* Return the length of the well-formed sequence that starts with a byte above 0x7f, or 0. */
static size_t
sequence_length(const uint8_t *bytes, size_t available)
{
    uint8_t lead = load8(bytes);
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t length;

    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        length = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4;
    else
        return 0;
    if (length > available)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    uint8_t second = load8(bytes + 1);
    if (second < low || second > high)
        return 0;
    for (size_t at = 2; at < length; at++)
        if ((load8(bytes + at) & 0xc0) != 0x80)
            return 0;
    return length;
}

wire_text_form
wire_text_form_of(const uint8_t *bytes, size_t length)
{
    wire_text_form form = WIRE_TEXT_ASCII;
    size_t at = 0;

    while (at < length) {
        if (length - at >= 8 && (load64_little(bytes + at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
        } else if (load8(bytes + at) < 0x80) {
            at++;
        } else {
            size_t step = sequence_length(bytes + at, length - at);
            if (step == 0)
                return WIRE_TEXT_BROKEN;
            form = WIRE_TEXT_UTF8;
            at += step;
        }
    }
    return form;
}
