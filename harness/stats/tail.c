/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/tail.h"

#include <math.h>

double tail_normal(double x)
{
    return 0.5 * erfc(x * M_SQRT1_2);
}

double tail_normal_inverse(double p)
{
    double low = -38, high = 38;
    while (high - low > 1e-12) {
        double middle = 0.5 * (low + high);
        if (tail_normal(middle) > p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

double tail_student(double t, double df)
{
    return tail_normal((8 * df + 1) / (8 * df + 3) * copysign(sqrt(df * log1p(t * t / df)), t));
}
