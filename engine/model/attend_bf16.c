/* SPDX-License-Identifier: Apache-2.0 */
#include "model/attend.h"

#include <math.h>
#include <string.h>

/*
 * Both caches are blocks of 32 by 32 as multiply_pairs reads them, [16][32][2]; d goes up to a multiple of 32, with zeros:
 *
 *   keys     [block of positions][block of i]: pairs of i, 32 positions side by side
 *   values   [block of positions][block of i]: pairs of positions, 32 i side by side
 */
enum { BLOCK = TERN_PAIRS_BLOCK, ELEMENTS = TERN_PAIRS_ELEMENTS, PAIR_ROW = 2 * BLOCK };

static size_t whole(size_t n)
{
    return (n + BLOCK - 1) / BLOCK * BLOCK;
}

static size_t bytes(size_t context, size_t d)
{
    return whole(context) * whole(d) * sizeof(uint16_t);
}

/* 32 values of one position, at most, to a block of keys. */
static void keep_keys(uint16_t *block, size_t slot, const uint16_t *k)
{
    for (size_t i = 0; i < BLOCK; i += 2)
        memcpy(block + i / 2 * PAIR_ROW + 2 * slot, k + i, 2 * sizeof *k);
}

static void keep_values(uint16_t *block, size_t slot, const uint16_t *v)
{
    uint16_t *at = block + slot / 2 * PAIR_ROW + slot % 2;
    for (size_t i = 0; i < BLOCK; i++)
        at[2 * i] = v[i];
}

/*
 * Weights of positions that are not there yet are 0, and 0 times what memory held before must be 0: who keeps the first position of a block clears
 * the values of those that this pass does not bring. What is there later is replaced, or left over from a sequence that was rewound, and finite.
 */
static void keep(const struct tern_vector_kernels *vector, const struct tern_kept *kept)
{
    static const uint16_t zeros[BLOCK];
    size_t slot = kept->position % BLOCK, start = kept->position - slot;
    size_t fresh = slot == 0 ? kept->length - start : BLOCK;
    for (size_t i = 0; i < kept->d; i += BLOCK) {
        size_t n = kept->d - i < BLOCK ? kept->d - i : BLOCK, at = start * whole(kept->d) + i * BLOCK;
        uint16_t k[BLOCK] = {0}, v[BLOCK] = {0};
        vector->to_bf16(kept->k + i, 1, n, k);
        vector->to_bf16(kept->v + i, 1, n, v);
        keep_keys((uint16_t *)kept->keys + at, slot, k);
        keep_values((uint16_t *)kept->values + at, slot, v);
        for (size_t later = fresh; later < BLOCK; later++)
            keep_values((uint16_t *)kept->values + at, later, zeros);
    }
}

/* Rows of scores are a line longer than they need be, so that rows below each other do not fall on one set of the cache. */
static size_t stride_for(size_t context)
{
    return whole(context) + 16;
}

static size_t room_floats(size_t rows, size_t context, size_t d)
{
    return rows * (stride_for(context) + whole(d) / 2 + whole(d) + 1);
}

/* Queries side by side, divided by sqrt(D). */
static void gather(const struct tern_vector_kernels *vector, const struct tern_attend *a, uint16_t *q)
{
    float shrink = 1.0f / sqrtf((float)a->d);
    size_t width = whole(a->d);
    for (size_t r = 0; r < a->tokens * a->heads; r++) {
        vector->to_bf16(a->q + r / a->heads * a->q_stride + r % a->heads * a->d, shrink, a->d, q + r * width);
        memset(q + r * width + a->d, 0, (width - a->d) * sizeof *q);
    }
}

static void scatter(const struct tern_attend *a, const float *y, const float *shares)
{
    for (size_t r = 0; r < a->tokens * a->heads; r++) {
        float *out = a->out + r / a->heads * a->out_stride + r % a->heads * a->d;
        for (size_t i = 0; i < a->d; i++)
            out[i] = y[r * whole(a->d) + i] * shares[r];
    }
}

/* Weights take the place of their scores. */
static void attend(const struct tern_vector_kernels *vector, const struct tern_attend *a)
{
    size_t rows = a->tokens * a->heads, width = whole(a->d), seen = whole(a->before + a->tokens), stride = stride_for(a->before + a->tokens);
    float *scores = a->room, *y = scores + rows * stride, *shares = y + rows * width * 3 / 2;
    uint16_t *q = (uint16_t *)(y + rows * width);
    gather(vector, a, q);
    vector->multiply_pairs(&(struct tern_multiply_pairs){
        .rows = rows, .n = width, .columns = seen, .a = q, .a_stride = width, .b = a->keys, .k_stride = ELEMENTS, .column_stride = width * BLOCK,
        .y = scores, .y_stride = stride});
    for (size_t r = 0; r < rows; r++)
        shares[r] = vector->softmax_bf16(scores + r * stride, a->before + r / a->heads + 1, (uint16_t *)(scores + r * stride), seen);
    vector->multiply_pairs(&(struct tern_multiply_pairs){
        .rows = rows, .n = seen, .columns = width, .a = (const uint16_t *)scores, .a_stride = 2 * stride, .b = a->values, .k_stride = width * BLOCK,
        .column_stride = ELEMENTS, .y = y, .y_stride = width});
    scatter(a, y, shares);
}

const struct tern_attend_way tern_attend_bf16 = {"bfloat16", 64, bytes, keep, room_floats, attend};
