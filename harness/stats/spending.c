/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/spending.h"

#include <math.h>

static const size_t n_even_looks = 12;

size_t spending_rounds(size_t k)
{
    return (size_t)ceil(16 * pow(1.5, (double)k));
}

double spending_share(size_t k)
{
    if (k < n_even_looks)
        return 1.0 / 14;
    double j = (double)(k - n_even_looks + 1);
    return 1.0 / 7 / (j * (j + 1));
}
