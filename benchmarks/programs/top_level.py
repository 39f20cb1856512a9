# A loop outside any function, where a script's first loops mostly are.

total = 0
for i in range(0, 200_000):
    total = (total + i * i) % 1_000_003
print(total)
