/* Compiled on the spot by spelling.noodle. */

#include <string.h>

#define LONGEST 64

static int least(int a, int b, int c)
{
    int smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* How many letters must be put in, left out or replaced to make one word of the other, byte by
 * byte; -1 for words of more than 64 bytes. */
int edit_distance(const char *from, const char *to)
{
    size_t rows = strlen(from), columns = strlen(to);
    if (rows > LONGEST || columns > LONGEST)
        return -1;
    int line[LONGEST + 1];
    for (size_t j = 0; j <= columns; j++)
        line[j] = (int)j;
    for (size_t i = 1; i <= rows; i++) {
        int diagonal = line[0];
        line[0] = (int)i;
        for (size_t j = 1; j <= columns; j++) {
            int above = line[j];
            line[j] = least(above + 1, line[j - 1] + 1, diagonal + (from[i - 1] != to[j - 1]));
            diagonal = above;
        }
    }
    return line[columns];
}
