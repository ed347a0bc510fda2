/* SPDX-License-Identifier: Apache-2.0 */
#include "core/vector.h"
#include "format/quants.h"

#include <string.h>

void tern_row_to_floats(const struct tern_rows *rows, size_t row, size_t d, float *out)
{
    const char *at = (const char *)rows->data + row * rows->stride;
    float scale = rows->type == TERN_I8 ? rows->scale[row * rows->scale_stride] : 1;
    for (size_t i = 0; i < d; i++) {
        uint16_t half;
        if (rows->type == TERN_F32) {
            memcpy(&out[i], at + 4 * i, 4);
        } else if (rows->type == TERN_F16) {
            memcpy(&half, at + 2 * i, 2);
            out[i] = tern_half_to_float(half);
        } else {
            out[i] = scale * (float)((const int8_t *)at)[i];
        }
    }
}
