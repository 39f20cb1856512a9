# Functions made in a loop, each of which keeps the variables of its own turn.


def run(count):
    functions = []
    for i in range(0, count):
        square = i * i
        functions.append(lambda i=i, square=square: square - i)
    total = 0
    for function in functions:
        total += function()
    return total


print(run(50_000))
