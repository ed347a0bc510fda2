/* SPDX-License-Identifier: Apache-2.0 */
#include "core/attention.h"
#include "core/threads.h"

#include <math.h>
#include <string.h>

static void head(const struct tern_kernels *kernels, const struct tern_attention *a, size_t t, size_t h, float *scores)
{
    size_t at = (t * a->heads + h) * a->d, group = h / (a->heads / a->groups), seen = a->before + t + 1;
    float shrink = 1.0f / sqrtf((float)a->d);
    kernels->vector.dots(a->q + at, a->d, &a->k[group], seen, scores);
    for (size_t j = 0; j < seen; j++)
        scores[j] *= shrink;
    kernels->vector.softmax(scores, seen);
    memset(a->out + at, 0, a->d * sizeof *a->out);
    kernels->vector.mix(scores, &a->v[group], seen, a->d, a->out + at);
}

/* Heads of a group stay together, so that its keys are read from the cache after the first. */
void tern_attention_part(const struct tern_kernels *kernels, const struct tern_attention *a, int id, int n)
{
    size_t from, to;
    tern_share(a->tokens * a->heads, id, n, &from, &to);
    for (size_t i = from; i < to; i++)
        head(kernels, a, i / a->heads, i % a->heads, a->scores + (size_t)id * a->score_stride);
}

void tern_logits_part(const struct tern_kernels *kernels, const struct tern_rows *rows, size_t n, size_t d, const float *x,
                      const int8_t *q, float scale, float *logits, int id, int parts)
{
    size_t from, to;
    tern_share(n, id, parts, &from, &to);
    struct tern_rows mine = *rows;
    mine.data = (const char *)rows->data + from * rows->stride;
    mine.scale = rows->scale ? rows->scale + from * rows->scale_stride : NULL;
    if (rows->type == TERN_I8 && q)
        kernels->vector.dots_int8(q, scale, d, &mine, to - from, logits + from);
    else
        kernels->vector.dots(x, d, &mine, to - from, logits + from);
}
