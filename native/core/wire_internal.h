/* What the parts of the wire codec share: loads and stores, and the writer's space.  The contract is
 * noodle/wire.h. */
#ifndef NOODLE_CORE_WIRE_INTERNAL_H
#define NOODLE_CORE_WIRE_INTERNAL_H

#include "noodle/wire.h"

#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#  error "payloads and array memory are little-endian, and are stored as they stand"
#endif

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

#define NANOSECONDS_A_SECOND 1000000000u

/* ---------------------------------------------------------------------------- Loads and stores */

/* A volatile load happens once and where it stands: a check and the use of what was checked cannot
 * become two loads, whoever changes the buffer between them. */
struct unaligned16 { uint16_t value; } __attribute__((packed, may_alias));
struct unaligned32 { uint32_t value; } __attribute__((packed, may_alias));
struct unaligned64 { uint64_t value; } __attribute__((packed, may_alias));

static inline uint8_t
load8(const uint8_t *from)
{
    return *(const volatile uint8_t *)from;
}

static inline uint16_t
load16_big(const uint8_t *from)
{
    return __builtin_bswap16(((const volatile struct unaligned16 *)(const void *)from)->value);
}

static inline uint32_t
load32_big(const uint8_t *from)
{
    return __builtin_bswap32(((const volatile struct unaligned32 *)(const void *)from)->value);
}

static inline uint64_t
load64_little(const uint8_t *from)
{
    return ((const volatile struct unaligned64 *)(const void *)from)->value;
}

static inline uint64_t
load64_big(const uint8_t *from)
{
    return __builtin_bswap64(load64_little(from));
}

/* Copy memory that may change once; the compiler may not read the source again after it. */
static inline void
copy_once(void *to, const uint8_t *from, size_t length)
{
    memcpy(to, from, length);
    __asm__ volatile("" ::: "memory");
}

static inline void
store16_big(uint8_t *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof value);
}

static inline void
store32_big(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}

static inline void
store64_big(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

/* --------------------------------------------------------------------------------------- Space */

/* A failed writer has no capacity, so that the one comparison in `claim` also finds failures. */
wire_status wire_fail_writer(wire_writer *writer, wire_status status);

/* Grows the buffer, or goes on counting only: then returns NULL. */
uint8_t *wire_claim_beyond_capacity(wire_writer *writer, size_t size);

/* Return where to store the next `size` bytes, or NULL when they are only counted. */
static inline uint8_t *
claim(wire_writer *writer, size_t size)
{
    size_t start = writer->length;

    /* Both are far from overflow: `start` is at most the capacity wherever something is stored. */
    if (LIKELY(start <= writer->capacity && size <= writer->capacity - start)) {
        writer->length = start + size;
        return writer->buffer + start;
    }
    return wire_claim_beyond_capacity(writer, size);
}

static inline wire_status
write_byte(wire_writer *writer, uint8_t byte)
{
    uint8_t *to = claim(writer, 1);
    if (to != NULL)
        to[0] = byte;
    return writer->status;
}

/* Stores the shortest header of an extension of known length. */
wire_status wire_write_extension_head(wire_writer *writer, int8_t type, size_t length);

#endif
