/* Functions for the tests of loops over arrays: one for each kind of number, and slow ones. */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

double scaled(double x, double y, double z) { return x * y - z; }
double plus(double x, double y) { return x + y; }
float half(float x) { return x / 2; }
bool both(bool x, bool y) { return x && y; }
double mixed(int32_t x, float y, bool z, uint64_t u) { return x + y + (z ? 0.5 : 0) + (double)u; }
double five(double a, double b, double c, double d, double e) { return a + 2 * b + 3 * c + 4 * d + 5 * e; }

int8_t next_i8(int8_t v) { return (int8_t)(v + 1); }
int16_t next_i16(int16_t v) { return (int16_t)(v + 1); }
int32_t next_i32(int32_t v) { return (int32_t)((uint32_t)v + 1); }
int64_t next_i64(int64_t v) { return (int64_t)((uint64_t)v + 1); }
uint8_t next_u8(uint8_t v) { return (uint8_t)(v + 1); }
uint16_t next_u16(uint16_t v) { return (uint16_t)(v + 1); }
uint32_t next_u32(uint32_t v) { return v + 1; }
uint64_t next_u64(uint64_t v) { return v + 1; }
float next_f32(float v) { return v + 1; }
double next_f64(double v) { return v + 1; }
bool next_bool(bool v) { return !v; }

static int64_t calls;
int64_t calls_made(int64_t unused) { (void)unused; return calls; }
double counted(double x) { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); return x; }

/* Computes for that many seconds, and returns them. */
double spend(double seconds)
{
    struct timespec start, now;
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) + 1e-9 * (now.tv_nsec - start.tv_nsec) < seconds);
    return seconds;
}

/* Returns 1 once so many calls have come to a room (0 to 255), of which each is used for one meeting;
 * 0 after ten seconds. */
static int present[256];
int meet(int others, int room)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    __atomic_fetch_add(&present[room], 1, __ATOMIC_SEQ_CST);
    do {
        if (__atomic_load_n(&present[room], __ATOMIC_SEQ_CST) >= others)
            return 1;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < 10);
    return 0;
}

int meet_late(int others, int room) { spend(0.001); return meet(others, room); }

double *address(double x) { static double kept; kept = x; return &kept; }
double first(const double *values) { return *values; }
void nothing(double x) { (void)x; }
double none(void) { return 1; }
int crash(int x) { if (x > 2) *(volatile int *)8 = 1; return x; }
