/* Functions of numbers that benchmarks map over arrays, and the loops that one would write by hand. */

#include <math.h>
#include <stddef.h>

double saxpy(double x, double y, double z)
{
    return 1.5 * x + y - z;
}

double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

void saxpy_loop(const double *x, const double *y, const double *z, double *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = saxpy(x[i], y[i], z[i]);
}

void logistic_loop(const double *x, double *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = logistic(x[i]);
}

void cos_loop(const double *x, double *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = cos(x[i]);
}

void hypot_loop(const double *x, const double *y, double *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = hypot(x[i], y[i]);
}
