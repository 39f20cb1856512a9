# Counts the products that seven divides, in two nested loops.


def count_products(limit):
    count = 0
    for i in range(1, limit):
        for j in range(1, limit):
            if i * j % 7 == 0:
                count += 1
    return count


print(count_products(800))
