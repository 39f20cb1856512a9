# The longest Collatz sequence of the first numbers.


def longest(limit):
    best = 0
    start = 1
    while start < limit:
        n = start
        steps = 0
        while n != 1:
            if n % 2 == 0:
                n = n // 2
                steps += 1
            else:
                n = (3 * n + 1) // 2
                steps += 2
        if steps > best:
            best = steps
        start += 1
    return best


print(longest(5000))
