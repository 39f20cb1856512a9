/* Calls functions that it is given: at once, later, from its own thread, through structures. */

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { double x, y; } point;
typedef int (*visitor)(int value, void *data);
typedef double (*measure)(point p);

struct handlers {
    int count;
    int (*on_event)(int event);
    const char *name;
};

struct flags {
    unsigned ready : 1;
    int level : 5;
    unsigned long wide : 40;
    union { int32_t number; float real; };
    char title[12];
    int grid[2][3];
    struct flags *next;
    point origin;
};

int visit(int count, visitor visit, void *data)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += visit(i, data);
    return sum;
}

double apply(double (*function)(double), double value) { return function(value); }
double apply_many(double (*function)(double), int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += function(i);
    return sum;
}

double every(int8_t (*a)(int8_t, uint64_t, float, _Bool)) { return a(-5, UINT64_MAX, 0.5f, 1); }
size_t length_of(const char *(*name)(int)) { return strlen(name(3)); }
int takes_text(int (*f)(const char *)) { return f("h\xc3\xa9") + f(NULL); }
void fill(void (*f)(int32_t *items, int count))
{
    int32_t items[3] = {1, 2, 3};
    f(items, 3);
    if (items[0] != 1)
        f(items, 1);
}
int names(int (*f)(int count, char **texts))
{
    char *texts[] = {"one", NULL, "three"};
    return f(3, texts);
}
void *pass_on(void *(*f)(void *), void *value) { return f(value); }

static int (*kept)(int);
void keep_function(int (*f)(int)) { kept = f; }
int call_kept(int value) { return kept ? kept(value) : -100; }

static void *run(void *result)
{
    *(int *)result = kept(7);
    return NULL;
}

int call_kept_on_a_thread(void)
{
    int result = -1;
    pthread_t thread;
    pthread_create(&thread, NULL, run, &result);
    pthread_join(thread, NULL);
    return result;
}

struct share { int (*f)(int); int value, result; };

static void *run_share(void *share)
{
    struct share *own = share;
    own->result = own->f(own->value);
    return NULL;
}

/* Calls f(0), f(1), ... on a thread each, at most eight, and returns the sum. */
int sum_on_threads(int count, int (*f)(int))
{
    pthread_t threads[8];
    struct share shares[8];
    int sum = 0;
    for (int i = 0; i < count; i++) {
        shares[i] = (struct share){f, i, 0};
        pthread_create(&threads[i], NULL, run_share, &shares[i]);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += shares[i].result;
    }
    return sum;
}

/* The same, and f(-1) on this thread before. */
int sum_here_and_on_threads(int count, int (*f)(int))
{
    int first = f(-1);
    return first + sum_on_threads(count, f);
}

int fire(const struct handlers *handlers, int event)
{
    return handlers->on_event ? handlers->on_event(event) + handlers->count : -1;
}
size_t name_length(const struct handlers *handlers) { return strlen(handlers->name); }
static int twice(int event) { return 2 * event; }
struct handlers default_handlers(void) { return (struct handlers){1, twice, "default"}; }
int (*default_handler(void))(int) { return twice; }

double norm(point p) { return p.x * p.x + p.y * p.y; }
point moved(point p, double by) { return (point){p.x + by, p.y + by}; }
void move(point *p, double by) { *p = moved(*p, by); }
void move_all(point *points, int count, double by)
{
    for (int i = 0; i < count; i++)
        move(&points[i], by);
}
double total(const point *points, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += norm(points[i]);
    return sum;
}
double measured(measure f, point p) { return f(p); }
void each(void (*f)(point *), int count)
{
    point p = {0, 1};
    for (int i = 0; i < count; i++)
        f(&p);
}
static point shared = {1, 2};
point *shared_point(void) { return &shared; }
double shared_x(void) { return shared.x; }

void describe_flags(struct flags *f)
{
    f->ready = 1;
    f->level = -7;
    f->wide = (1ul << 40) - 2;
    f->real = 1.0f;
    strcpy(f->title, "title");
    for (int i = 0; i < 6; i++)
        f->grid[i / 3][i % 3] = i;
    f->next = f;
    f->origin.y = 2.5;
}
size_t flags_size(void) { return sizeof(struct flags); }
int crash_back(int (*f)(int)) { f(1); return *(volatile int *)8; }
