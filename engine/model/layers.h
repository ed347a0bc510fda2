/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model's layers need beside products and the vector kernels of core/vector.h.
 * Threads: all functions are pure, on disjoint outputs. exp, sin, cos and pow are the C library's.
 */
#ifndef TERN_LAYERS_H
#define TERN_LAYERS_H

#include <stddef.h>

/* cosine[i], sine[i] of position * base^(-2 i / d), i < d/2; computed in double. Source: RoFormer, arXiv:2104.09864, Eq. (15). */
void tern_layer_angles(double position, double base, size_t d, float *cosine, float *sine);

/* gate[i] = gate[i] / (1 + exp(-gate[i])) up[i]. Source: SwiGLU, arXiv:2002.05202, Eq. (5). */
void tern_layer_silu(float *gate, const float *up, size_t n);

/* Index of the largest, the first of equals. NaN is never the largest. */
size_t tern_layer_largest(const float *x, size_t n);

#endif
