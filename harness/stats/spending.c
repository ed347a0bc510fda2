/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/spending.h"

#include <math.h>

static const double last_even_look = 11;

size_t spending_rounds(size_t k)
{
    return (size_t)ceil(16 * pow(1.5, (double)k));
}

double spending_share(size_t k)
{
    double j = fmax(1, (double)k - last_even_look);
    return 1.0 / 7 / (j * (j + 1));
}
