# Iterates z² + c for the points of a grid: the Mandelbrot set, without complex numbers.


def iterations(real, imaginary, most):
    x = 0.0
    y = 0.0
    for i in range(0, most):
        next = x * x - y * y + real
        y = 2.0 * x * y + imaginary
        x = next
        if x * x + y * y > 4.0:
            return i
    return most


def total(size):
    sum = 0
    for row in range(0, size):
        for column in range(0, size):
            sum += iterations(3.0 * column / size - 2.0, 2.0 * row / size - 1.0, 50)
    return sum


print(total(100))
