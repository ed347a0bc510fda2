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
    return rows * (3 * d + whole_panels(context) + 1);
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

/* Scores to weights of the positions; shares: one over each row's sum. */
static void weigh(const struct tern_vector_kernels *vector, const struct tern_attend *a, const float *q, float *scores, size_t stride, float *shares)
{
    size_t rows = a->tokens * a->heads;
    memset(scores, 0, rows * stride * sizeof *scores);
    for (size_t at = 0; at < stride; at += TERN_KEY_PANEL)
        vector->multiply_add(&(struct tern_multiply_add){
            .rows = rows, .n = a->d, .columns = TERN_KEY_PANEL, .a = q, .a_stride = a->d, .b = (const float *)a->keys + at * a->d, .b_stride = TERN_KEY_PANEL,
            .y = scores + at, .y_stride = stride});
    for (size_t r = 0; r < rows; r++)
        shares[r] = vector->softmax_weights(scores + r * stride, a->before + r / a->heads + 1);
}

/* Rows of sums over positions: those of the panels that are whole, and of the one at hand. */
struct sums {
    float *y, *panel;
    size_t rows, d;
};

static void end_panel(const struct tern_vector_kernels *vector, const struct sums *s)
{
    vector->add(s->panel, s->rows * s->d, s->y);
    memset(s->panel, 0, s->rows * s->d * sizeof *s->panel);
}

/* Adds the values of positions [from, to), weighted: a panel's worth of values at a time stays in the first cache. */
static void mix(const struct tern_vector_kernels *vector, const struct tern_attend *a, const float *scores, size_t stride, const struct sums *s, size_t from, size_t to)
{
    for (size_t at = from, end; at < to; at = end) {
        end = at / TERN_KEY_PANEL * TERN_KEY_PANEL + TERN_KEY_PANEL;
        size_t n = (end < to ? end : to) - at;
        vector->multiply_add(&(struct tern_multiply_add){
            .rows = s->rows, .n = n, .columns = s->d, .a = scores + at, .a_stride = stride, .b = (const float *)a->values + at * s->d, .b_stride = s->d,
            .y = s->panel, .y_stride = s->d});
        if (end <= to)
            end_panel(vector, s);
    }
}

/* Sums times their row's share. */
static void store(const struct sums *s, const float *shares, float *out)
{
    for (size_t r = 0; r < s->rows; r++)
        for (size_t i = 0; i < s->d; i++)
            out[r * s->d + i] = s->y[r * s->d + i] * shares[r];
}

/* What all tokens see is mixed for all rows together, what later ones see beyond it token by token. */
static void attend(const struct tern_vector_kernels *vector, const struct tern_attend *a)
{
    size_t each = a->heads * a->d, stride = whole_panels(a->before + a->tokens), common = a->before + 1;
    float *q = a->room, *y = q + a->tokens * each, *panel = y + a->tokens * each, *scores = panel + a->tokens * each, *shares = scores + a->tokens * a->heads * stride;
    gather(a, q);
    weigh(vector, a, q, scores, stride, shares);
    memset(y, 0, 2 * a->tokens * each * sizeof *y);
    mix(vector, a, scores, stride, &(struct sums){y, panel, a->tokens * a->heads, a->d}, 0, common);
    for (size_t t = 0; t < a->tokens; t++) {
        const struct sums own = {y + t * each, panel + t * each, a->heads, a->d};
        mix(vector, a, scores + t * a->heads * stride, stride, &own, common, common + t);
        end_panel(vector, &own);
        store(&own, shares + t * a->heads, a->out + t * a->out_stride);
    }
}

const struct tern_attend_way tern_attend_f32 = {"float32", 32, bytes, keep, room_floats, attend};
