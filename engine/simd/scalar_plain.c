/* SPDX-License-Identifier: Apache-2.0
 * The plain triple loop that scalar kernels are held against, in a file that takes the scalar backend's flags: -O2, no vectorisation. */
#include "core/kernels.h"

void tern_plain_product(const int8_t *w, const int8_t *x, size_t n, size_t k, size_t batch, int32_t *y)
{
    for (size_t b = 0; b < batch; b++)
        for (size_t row = 0; row < n; row++) {
            int32_t sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += w[row * k + i] * x[b * k + i];
            y[b * n + row] = sum;
        }
}
