# Builds a long text from numbers and words, and looks into it.


def lines(count):
    words = ["red", "green", "blue"]
    result = []
    for i in range(0, count):
        result.append(f"{i}: {words[i % 3]} is {i * 0.5}")
    return result


def run(count):
    text = "\n".join(lines(count))
    marked = ""
    for line in text.split("\n"):
        if "green" in line:
            marked += line[0:2] + "!"
    return len(text) + len(marked)


print(run(40_000))
