/* Calls functions with many arguments, of every type, on its own thread, and with errno set. */

#include <errno.h>
#include <pthread.h>
#include <stdint.h>

typedef double (*mixed)(int8_t, double, uint16_t, float, int32_t, double, int64_t, float, uint8_t,
                        double, uint64_t, float, int16_t, double, uint32_t, float, double, float,
                        _Bool, double, int8_t *);

double call_mixed(mixed f)
{
    static int8_t item = -3;
    return f(-1, 0.5, 65535, 1.5f, INT32_MIN, 2.5, INT64_MIN, 3.5f, 255, 4.5, UINT64_MAX, 5.5f,
             INT16_MIN, 6.5, UINT32_MAX, 7.5f, 8.5, 9.5f, 1, 10.5, &item);
}

#define FOR(name, type)                                 \
    type give_##name(type (*f)(void)) { return f(); }   \
    void point_##name(void (*f)(type *), type a, type b) \
    {                                                   \
        type items[2] = {a, b};                         \
        f(items + 1);                                   \
    }

FOR(i8, int8_t)
FOR(i16, int16_t)
FOR(i32, int32_t)
FOR(i64, int64_t)
FOR(u8, uint8_t)
FOR(u16, uint16_t)
FOR(u32, uint32_t)
FOR(u64, uint64_t)
FOR(f32, float)
FOR(f64, double)
FOR(bool, _Bool)

static int (*kept)(int);
void keep_function(int (*f)(int)) { kept = f; }
int call_many(int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += kept(i);
    return sum;
}

static void *run(void *count)
{
    *(int *)count = call_many(*(int *)count);
    return NULL;
}

int call_many_on_a_thread(int count)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, &count);
    pthread_join(thread, NULL);
    return count;
}

static void *run_for_ever(void *unused)
{
    for (;;)
        kept(1);
    return unused;
}

void call_for_ever_on_a_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run_for_ever, NULL);
    pthread_detach(thread);
}

int errno_after(int (*f)(int))
{
    errno = 77;
    f(0);
    return errno;
}

void each_item(void (*f)(int32_t *), int count)
{
    static int32_t items[100];
    for (int i = 0; i < count; i++) {
        items[i] = i;
        f(&items[i]);
    }
}
