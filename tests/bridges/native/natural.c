/* What annotated functions are tested with. */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int divide(int a, int b, int *quotient, int *remainder)
{
    if (b == 0)
        return 7;
    *quotient = a / b;
    *remainder = a % b;
    return 0;
}

double weighted(const double *values, const double *weights, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i] * weights[i];
    return sum;
}

double sum(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

void scale(double *values, size_t n, double factor)
{
    for (size_t i = 0; i < n; i++)
        values[i] *= factor;
}

/* Writes at most *length squares, and sets *length to how many there are. */
int squares(int upto, int64_t *items, size_t *length)
{
    size_t room = *length;
    *length = (size_t)upto;
    if ((size_t)upto > room)
        return 1;
    for (int i = 0; i < upto; i++)
        items[i] = (int64_t)i * i;
    return 0;
}

long copied(const char *text, size_t length, char *to, size_t room)
{
    size_t count = length < room ? length : room;
    memcpy(to, text, count);
    return (long)count;
}

void halve(double *value) { *value /= 2; }

int fails_with(int number)
{
    errno = number;
    return number ? -1 : 0;
}

void *missing(int number)
{
    errno = number;
    return NULL;
}

int status(int value) { return value; }
int is_null(const char *text) { return text == NULL; }

static char *last;

/* A copy of text for the caller to release with `forget`. */
char *echo(const char *text) { return last = strdup(text); }
static int forgotten;
void forget(void *memory)
{
    forgotten++;
    free(memory);
}
int times_forgotten(void) { return forgotten; }

int explain(int code, char **why)
{
    *why = code ? strdup("no good") : NULL;
    return code;
}

/* A copy of text for the caller to release, with errno set. */
char *echo_and_warn(const char *text, int number)
{
    char *copy = strdup(text);
    errno = number;
    return copy;
}

typedef struct box box;
struct box {
    int value;
};
static int open_boxes;

int box_open(int value, box **made)
{
    if (value < 0) {
        *made = NULL;
        return 5;
    }
    *made = malloc(sizeof **made);
    (*made)->value = value;
    open_boxes++;
    return 0;
}

/* Makes one, and fails. */
int box_half_open(box **made)
{
    box_open(1, made);
    return 5;
}

box *box_new(int value)
{
    box *made = NULL;
    box_open(value, &made);
    return made;
}

int box_close(box *box)
{
    if (box->value == 13)
        return 3; /* it does not close */
    open_boxes--;
    free(box);
    return 0;
}

int box_value(const box *box) { return box->value; }
void box_set(box *box, int value) { box->value = value; }
int *box_inside(box *box) { return &box->value; }
int read_int(const int *at) { return *at; }
int boxes(void) { return open_boxes; }
const char *box_error(int code) { return code == 5 ? "below zero" : "it is stuck"; }
