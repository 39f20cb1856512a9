/* Small functions that benchmarks call through Noodle, cffi, ctypes and nanobind. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

double add(double first, double second)
{
    return first + second;
}

int32_t process_id(void)
{
    return getpid();
}

double add_three(double first, double second, double third)
{
    return first + second + third;
}

int32_t add_integers(int32_t first, int32_t second)
{
    return first + second;
}

int32_t forty_two(void)
{
    return 42;
}

size_t text_length(const char *text)
{
    return strlen(text);
}

uint32_t checksum(const uint8_t *content, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = 31 * sum + content[i];
    return sum;
}

double total(const double *items, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += items[i];
    return sum;
}

void double_all(double *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        items[i] *= 2;
}
