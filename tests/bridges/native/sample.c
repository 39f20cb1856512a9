/* A library for the tests: one function for each kind of value that crosses. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double add(double x, double y) { return x + y; }
double subtract(double x, double y) { return x - y; }
double twice(double x) { return 2 * x; }

int8_t same_i8(int8_t v) { return v; }
int16_t same_i16(int16_t v) { return v; }
int32_t same_i32(int32_t v) { return v; }
int64_t same_i64(int64_t v) { return v; }
uint8_t same_u8(uint8_t v) { return v; }
uint16_t same_u16(uint16_t v) { return v; }
uint32_t same_u32(uint32_t v) { return v; }
uint64_t same_u64(uint64_t v) { return v; }
float same_f32(float v) { return v; }
double same_f64(double v) { return v; }
bool negate(bool v) { return !v; }

size_t length(const char *text) { return text ? strlen(text) : 0; }
const char *greeting(int known) { return known ? "na\xc3\xafve" : NULL; }
const char *latin1(void) { return "na\xefve"; }
static char kept[64];
void keep(const char *text) { strncpy(kept, text, sizeof kept - 1); }
const char *recall(void) { return kept; }
uint64_t total(const uint8_t *bytes, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += bytes[i];
    return sum;
}

double sum(const double *values, size_t count)
{
    double result = 0;
    for (size_t i = 0; i < count; i++)
        result += values[i];
    return result;
}
void scale(double *values, size_t count, double factor)
{
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}
int is_null(const void *memory) { return memory == NULL; }
void fill(void *memory, size_t size) { memset(memory, 7, size); }

struct counter { int value; };
struct counter *counter_new(int start)
{
    struct counter *made = start < 0 ? NULL : malloc(sizeof *made);
    if (made)
        made->value = start;
    return made;
}
int counter_next(struct counter *counter) { return counter->value++; }
void counter_free(struct counter *counter) { free(counter); }
struct other *other_new(void) { return (struct other *)kept; }
double *first(double *values) { return values; }

/* Returns 1 once another thread has set the flag, 0 after `seconds`. */
static volatile int flag;
void set_flag(int value) { flag = value; }
int wait_for_flag(double seconds)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        if (flag)
            return 1;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) + 1e-9 * (now.tv_nsec - start.tv_nsec) < seconds);
    return 0;
}

int calls;
void count_call(int unused) { (void)unused; calls++; }
int calls_made(void) { return calls; }

/* Names that mean something else to a C compiler. */
int keyword(void) __asm__("double");
int keyword(void) { return 41; }
int macro(void) __asm__("NULL");
int macro(void) { return 42; }
int twin(void) __asm__("printf_");
int twin(void) { return 43; }
