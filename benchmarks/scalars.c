/* Small functions that benchmarks call through Noodle, cffi and ctypes. */

#include <stdint.h>
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
