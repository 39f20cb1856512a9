# Functions that make functions, one of which changes a variable of its maker.


def counter(step):
    value = 0

    def next():
        nonlocal value
        value += step
        return value

    return next


def compose(outer, inner):
    return lambda x: outer(inner(x))


def adder(left):
    return lambda right: left + right


def run(turns):
    total = 0
    next = counter(3)
    transform = compose(lambda x: x + 1, lambda x: x * 2)
    for i in range(0, turns):
        total += transform(next())
        total += adder(i)(1)
    return total


print(run(50_000))
