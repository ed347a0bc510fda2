/* SPDX-License-Identifier: Apache-2.0 */
#include "model/attend.h"

#include <math.h>
#include <string.h>

static size_t whole_panels(size_t context)
{
    return (context + TERN_KEY_PANEL - 1) / TERN_KEY_PANEL * TERN_KEY_PANEL;
}

static size_t bytes(size_t context, size_t d)
{
    return whole_panels(context) * d * sizeof(float);
}

static void keep(const struct tern_vector_kernels *vector, const struct tern_kept *kept)
{
    size_t d = kept->d;
    float *at = (float *)kept->keys + kept->position / TERN_KEY_PANEL * TERN_KEY_PANEL * d + kept->position % TERN_KEY_PANEL;
    (void)vector;
    for (size_t i = 0; i < d; i++)
        at[i * TERN_KEY_PANEL] = kept->k[i];
    memcpy((float *)kept->values + kept->position * d, kept->v, d * sizeof(float));
}

static size_t room_floats(size_t rows, size_t context, size_t d)
{
    return rows * (2 * d + whole_panels(context));
}

/* Queries side by side, divided by sqrt(D). */
static void gather(const struct tern_attend *a, float *q)
{
    float shrink = 1.0f / sqrtf((float)a->d);
    size_t each = a->heads * a->d;
    for (size_t t = 0; t < a->tokens; t++)
        for (size_t i = 0; i < each; i++)
            q[t * each + i] = a->q[t * a->q_stride + i] * shrink;
}

static void score(const struct tern_vector_kernels *vector, const struct tern_attend *a, const float *q, float *scores, size_t stride)
{
    size_t rows = a->tokens * a->heads;
    memset(scores, 0, rows * stride * sizeof *scores);
    for (size_t at = 0; at < stride; at += TERN_KEY_PANEL)
        vector->multiply_add(&(struct tern_multiply_add){
            .rows = rows, .n = a->d, .columns = TERN_KEY_PANEL, .a = q, .a_stride = a->d, .b = (const float *)a->keys + at * a->d, .b_stride = TERN_KEY_PANEL,
            .y = scores + at, .y_stride = stride});
    for (size_t r = 0; r < rows; r++)
        vector->softmax(scores + r * stride, a->before + r / a->heads + 1);
}

/* Adds the values of positions [from, to), weighted, to rows of y: a panel's worth of values at a time stays in the first cache. */
static void mix(const struct tern_vector_kernels *vector, const struct tern_attend *a, const float *scores, size_t stride, size_t rows, size_t from,
                size_t to, float *y)
{
    for (size_t at = from, n; at < to; at += n) {
        n = to - at < TERN_KEY_PANEL ? to - at : TERN_KEY_PANEL;
        vector->multiply_add(&(struct tern_multiply_add){
            .rows = rows, .n = n, .columns = a->d, .a = scores + at, .a_stride = stride, .b = (const float *)a->values + at * a->d, .b_stride = a->d,
            .y = y, .y_stride = a->d});
    }
}

/* What all tokens see is mixed for all rows together, what later ones see beyond it token by token. */
static void attend(const struct tern_vector_kernels *vector, const struct tern_attend *a)
{
    size_t each = a->heads * a->d, stride = whole_panels(a->before + a->tokens), common = a->before + 1;
    float *q = a->room, *y = q + a->tokens * each, *scores = y + a->tokens * each;
    gather(a, q);
    score(vector, a, q, scores, stride);
    memset(y, 0, a->tokens * each * sizeof *y);
    mix(vector, a, scores, stride, a->tokens * a->heads, 0, common, y);
    for (size_t t = 1; t < a->tokens; t++)
        mix(vector, a, scores + t * a->heads * stride, stride, a->heads, common, common + t, y + t * each);
    for (size_t t = 0; t < a->tokens; t++)
        memcpy(a->out + t * a->out_stride, y + t * each, each * sizeof *y);
}

const struct tern_attend_way tern_attend_f32 = {"float32", 32, bytes, keep, room_floats, attend};
