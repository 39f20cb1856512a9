/* Compiled on the spot by tour.noodle. */

#include <stdint.h>

/* Mean of each level and its neighbours, `reach` to either side, fewer at the ends.
 * `levels` and `smooth` hold `count` values each and do not overlap. */
void moving_mean(const double *levels, int64_t count, int64_t reach, double *smooth)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t first = i - reach < 0 ? 0 : i - reach;
        int64_t last = i + reach >= count ? count - 1 : i + reach;
        double sum = 0.0;
        for (int64_t j = first; j <= last; j++)
            sum += levels[j];
        smooth[i] = sum / (double)(last - first + 1);
    }
}
