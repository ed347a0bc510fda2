/* SPDX-License-Identifier: Apache-2.0 */
#include "model/layers.h"

#include <math.h>

void tern_layer_angles(double position, double base, size_t d, float *cosine, float *sine)
{
    for (size_t i = 0; i < d / 2; i++) {
        double angle = position * pow(base, -2.0 * (double)i / (double)d);
        cosine[i] = (float)cos(angle);
        sine[i] = (float)sin(angle);
    }
}

void tern_layer_silu(float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

size_t tern_layer_largest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best] || isnan(x[best]))
            best = i;
    return best;
}
