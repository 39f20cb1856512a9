# Builds lists and maps, and reads them again.


def squares(count):
    result = []
    for i in range(0, count):
        result.append(i * i)
    return result


def histogram(values, buckets):
    counts = {}
    for value in values:
        bucket = value % buckets
        if bucket in counts:
            counts[bucket] += 1
        else:
            counts[bucket] = 1
    return counts


def run(count):
    values = squares(count)
    counts = histogram(values, 1009)
    most = 0
    for bucket in counts:
        most = max(most, counts[bucket])
    pairs = []
    for i in range(1, len(values)):
        pairs.append([values[i - 1], values[i]])
    distance = 0
    for pair in pairs:
        distance += pair[1] - pair[0]
    return most + distance


print(run(60_000))
