/* The smallest test runner: each CASE is one behaviour, run in a process of its own.
 *
 *     core_tests NAME    runs one case; exit code 0 if it holds
 */
#ifndef NOODLE_TESTS_CHECK_H
#define NOODLE_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

typedef struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
} test_case;

void add_case(test_case *entry);

#define CASE(identifier)                                                                          \
    static void identifier(void);                                                                 \
    __attribute__((constructor)) static void add_##identifier(void)                               \
    {                                                                                             \
        static test_case entry = {#identifier, identifier, NULL};                                 \
        add_case(&entry);                                                                         \
    }                                                                                             \
    static void identifier(void)

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);               \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* Compares numbers, and shows both. */
#define EQUAL(expected, actual)                                                                   \
    do {                                                                                          \
        const long long expected_ = (long long)(expected), actual_ = (long long)(actual);         \
        if (expected_ != actual_) {                                                               \
            fprintf(stderr, "%s:%d: %s: expected %lld, received %lld\n", __FILE__, __LINE__,      \
                    #actual, expected_, actual_);                                                 \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* Random numbers (xorshift64*); the seed is printed, and can be given as NOODLE_SEED. */
uint64_t random_number(void);

/* fork(), but the child does not outlive a parent whose case has failed. */
pid_t fork_child(void);

/* A number from the environment, for the long versions of tests. */
uint64_t setting(const char *name, uint64_t standard);

#endif
