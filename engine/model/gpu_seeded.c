/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gpu_seeded.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"

#include <math.h>
#include <stdlib.h>

enum { TAG_NORM = 40, TAG_ROWS, TAG_MATRIX = 50, VARIANTS = 2 };

const char *const tern_gpu_seeded_names[] = {"2b4t", "tiny", NULL};

static const struct shape {
    size_t layers, width, heads, groups, head, ffn, vocabulary;
} shapes[] = {
    {30, 2560, 20, 5, 128, 6912, 128256}, /* BitNet b1.58 2B4T, arXiv:2504.12285 */
    {2, 256, 4, 2, 64, 704, 1000},
};

static void seeded_trits(const void *data, size_t layer, enum cuda_matrix matrix, size_t n, size_t k, int8_t *trits)
{
    const struct tern_gpu_seeded *s = data;
    tern_random_trits(tern_random_start(s->seed, (uint32_t)(TAG_MATRIX + layer % VARIANTS * CUDA_MATRICES + matrix), n), 0.667, trits, k);
}

/* Each part of a matrix has a scale of its own, as in a file. */
static struct weight_scale seeded_scale(const void *data, size_t layer, enum cuda_matrix matrix)
{
    const struct tern_gpu_seeded *s = data;
    struct weight_scale scale = weight_scale_one(s->scale * (1 + (float)(layer % 3) / 8));
    if (matrix == CUDA_MATRIX_output || matrix == CUDA_MATRIX_down)
        return scale;
    scale.from[0] = (int)(matrix == CUDA_MATRIX_qkv ? s->spec.width : s->spec.ffn);
    scale.from[1] = (int)(scale.from[0] + (int)(s->spec.groups * s->spec.head));
    scale.part[1] *= 1.25f;
    scale.part[2] *= 0.75f;
    return scale;
}

static const float *seeded_norm(const void *data, size_t layer, enum cuda_norm norm)
{
    (void)layer;
    return ((const struct tern_gpu_seeded *)data)->norms[norm];
}

static float seeded_output_row(const void *data, size_t r, int8_t *row)
{
    const struct tern_gpu_seeded *s = data;
    tern_random_int8(tern_random_start(s->seed, TAG_ROWS, r), row, s->spec.width);
    return 0.01f * (1 + (float)(r % 7));
}

static void seeded_angles(const void *data, size_t position, float *cosine, float *sine)
{
    size_t half = ((const struct tern_gpu_seeded *)data)->spec.head / 2;
    for (size_t i = 0; i < half; i++) {
        double angle = (double)position * pow(500000, -(double)i / (double)half);
        cosine[i] = (float)cos(angle);
        sine[i] = (float)sin(angle);
    }
}

static const struct cuda_model_source seeded = {.trits = seeded_trits, .scale = seeded_scale, .norm = seeded_norm, .row = seeded_output_row, .angles = seeded_angles};

enum tern_status tern_gpu_seeded_open(size_t i, uint64_t seed, struct tern_gpu_seeded *s, struct tern_error *error)
{
    const struct shape *m = &shapes[i];
    *s = (struct tern_gpu_seeded){
        .spec = {.layers = m->layers, .width = m->width, .heads = m->heads, .groups = m->groups, .head = m->head, .ffn = m->ffn, .vocabulary = m->vocabulary,
                 .variants = VARIANTS, .resident = m->layers, .eps = 1e-5f, .source = &seeded, .data = s},
        .seed = seed, .scale = 1.0f / sqrtf(0.667f * (float)m->width),
    };
    for (uint32_t which = 0; which < CUDA_NORMS; which++) {
        size_t n = which == CUDA_NORM_ffn_sub ? m->ffn : m->width;
        if (!(s->norms[which] = tern_array_open(1, n * sizeof(float))))
            return tern_error_memory(error, "norms", n * sizeof(float));
        tern_random_floats(tern_random_start(seed, TAG_NORM, which), 0.5f, s->norms[which], n);
        for (size_t j = 0; j < n; j++)
            s->norms[which][j] += 1;
    }
    return TERN_OK;
}

void tern_gpu_seeded_close(struct tern_gpu_seeded *s)
{
    for (size_t i = 0; i < CUDA_NORMS; i++)
        tern_array_close(s->norms[i]);
}
