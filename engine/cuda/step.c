/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/step.h"
#include "cuda/pack.h"
#include "cuda/pass.h"

#include <stdio.h>

static void *address(uint64_t at)
{
    return (void *)(uintptr_t)at;
}

/* What does not change from step to step. */
static struct step_args shape_of(const struct cuda_session *s)
{
    const struct cuda_model *m = s->model;
    const struct cuda_model_spec *spec = &m->spec;
    struct step_args a = {.weights = address(m->weights.at), .layer_bytes = m->layer_bytes, .norms = address(m->norms.at), .scales = address(s->one.scales.at),
                          .cosine = address(m->cosine.at), .sine = address(m->sine.at), .words = s->one.at, .tag = address(s->one.tag.at), .x = address(s->x[0].at), .added = address(s->added.at),
                          .eps = spec->eps, .layers = (int)spec->layers, .width = (int)spec->width, .ffn = (int)spec->ffn, .panels = (int)(s->positions / KEY_PANEL)};
    for (size_t i = 0; i < CUDA_MATRICES; i++) {
        size_t n, k;
        cuda_model_shape(spec, (enum cuda_matrix)i, &n, &k);
        a.matrix_at[i] = m->matrix_at[i];
        a.tiles[i] = (int)(n / CUDA_TILE_ROWS);
        a.quads[i] = (int)cuda_pack_quads(k);
        a.norm_at[i] = a.norm_floats;
        a.norm_floats += (int)k;
    }
    a.cache = cuda_pass_cache(s, 0, false);
    a.key_bytes = s->keys.bytes / spec->layers, a.value_bytes = s->values.bytes / spec->layers, a.scale_floats = s->key_scales.bytes / spec->layers / sizeof(float);
    a.embed = cuda_pass_embedding(s, false);
    return a;
}

/* Blocks: one a multiprocessor, each with rows of every matrix. */
static unsigned blocks_for(const struct cuda_session *s, const struct step_args *a)
{
    int least = s->device->info.multiprocessors;
    for (int i = 0; i < STEP_MATRICES; i++)
        if (a->tiles[i] / step_runs((enum step_matrix)i) < least)
            least = a->tiles[i] / step_runs((enum step_matrix)i);
    return (unsigned)least;
}

static bool is_served(const struct cuda_session *s)
{
    const struct cuda_model_spec *m = &s->model->spec;
    return s->device->info.major >= 9 && m->ranks <= 1 && cuda_model_is_whole(s->model) && m->width <= NORM_FEW * STEP_THREADS && m->ffn <= NORM_MANY * STEP_THREADS && m->width % CUDA_TILE_ROWS == 0 &&
           m->ffn % CUDA_TILE_ROWS == 0 && m->groups * m->head % CUDA_TILE_ROWS == 0;
}

static enum cuda_outcome take_words(struct cuda_session *s, struct cuda_fault *fault)
{
    const struct cuda_model_spec *m = &s->model->spec;
    size_t panels = s->positions / KEY_PANEL;
    const struct {
        uint64_t **at;
        size_t n;
    } all[] = {
        {&s->one.at.maxima, m->heads * panels * 2}, {&s->one.at.sums, m->heads * panels * 16}, {&s->one.at.parts, panels * m->width}, {&s->one.at.mixed, m->width},
        {&s->one.at.results[STEP_QKV], (m->heads + 2 * m->groups) * m->head}, {&s->one.at.results[STEP_OUTPUT], m->width}, {&s->one.at.results[STEP_GATE_UP], m->ffn}, {&s->one.at.results[STEP_DOWN], m->width},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        n += all[i].n;
    enum cuda_outcome o = cuda_take(s->device, n * sizeof(uint64_t), "words between blocks", &s->one.words, fault);
    uint64_t at = s->one.words.at;
    for (size_t i = 0; i < sizeof all / sizeof *all; at += all[i].n * sizeof(uint64_t), i++)
        *all[i].at = address(at);
    return o ? o : cuda_fill(s->device, &s->one.words, 0, "clearing words", fault);
}

/* With the longest ring that fits, which has to hold all pieces of a matrix; false: none does. */
static bool find_layout(struct cuda_session *s, const struct step_args *a)
{
    for (int ring = STEP_RING_MOST; ring >= STEP_RING_LEAST; ring--) {
        s->one.layout = step_layout_of(a, (int)s->one.blocks, (int)cuda_cache_bytes(s->spec.cache), ring);
        if ((size_t)s->one.layout.bytes <= s->device->info.shared_bytes)
            return s->one.layout.pieces <= ring;
    }
    return false;
}

enum cuda_outcome cuda_step_open(struct cuda_session *s, struct cuda_fault *fault)
{
    size_t scales = s->model->spec.layers * sizeof *s->model->scales;
    struct step_args a = shape_of(s);
    char name[32];
    enum cuda_outcome o;
    if (!is_served(s))
        return CUDA_OUTCOME_ok;
    s->one.blocks = blocks_for(s, &a);
    if (!find_layout(s, &a))
        return CUDA_OUTCOME_ok;
    snprintf(name, sizeof name, "step_%s", cuda_cache_name(s->spec.cache));
    if ((o = take_words(s, fault)) || (o = cuda_take(s->device, sizeof(unsigned), "a step's tag", &s->one.tag, fault)) || (o = cuda_fill(s->device, &s->one.tag, 1, "a step's tag", fault)) ||
        (o = cuda_take(s->device, scales, "scales of weights", &s->one.scales, fault)) || (o = cuda_upload(s->device, s->one.scales.at, s->model->scales, scales, "scales of weights", fault)))
        return o;
    return cuda_kernel(s->device, name, (size_t)s->one.layout.bytes, &s->one.function, fault);
}

void cuda_step_close(struct cuda_session *s)
{
    cuda_give(s->device, &s->one.words);
    cuda_give(s->device, &s->one.tag);
    cuda_give(s->device, &s->one.scales);
}

enum cuda_outcome cuda_step_start(struct cuda_session *s, size_t layers, struct cuda_fault *fault)
{
    struct step_args a = shape_of(s);
    void *arguments[] = {&a};
    a.at = s->one.layout;
    a.layers = (int)layers;
    a.marks = cuda_pass_step_marks(s, layers);
    return cuda_start_together(s->device, s->one.function, (struct cuda_grid){s->one.blocks, 1, STEP_THREADS, (unsigned)a.at.bytes}, arguments, fault);
}
