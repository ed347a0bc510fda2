/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/decode.h"
#include "cuda/choice.h"
#include "cuda/kernels/arguments.h"
#include "cuda/kernels/decode.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"
#include "cuda/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORM_THREADS = 512, LOGITS_THREADS = 256 };

struct matrix {
    struct cuda_shape shape;
    size_t n, k, bytes;
    struct cuda_memory w; /* of all layers, one after another */
    struct cuda_choice choice;
    void *function;
    bool is_fused; /* with the norm before it */
};

/* A norm: what it reads and where its residual goes. */
struct norm {
    enum norm_kind kind;
    enum cuda_decode_norm weights;
    uint64_t x, added, kept;
};

struct cuda_decode {
    struct cuda_device *device;
    struct cuda_decode_spec spec;
    struct matrix matrices[CUDA_DECODE_MATRICES];
    struct cuda_memory norms[CUDA_DECODE_NORMS], angles, rows, row_scales, keys, values, x[2], wide, tall, mixed, added, q8, sx, logits;
    size_t layers; /* of the graph at hand */
    size_t cache_bytes; /* keys, or values, of one layer */
    void *norm, *attend, *head; /* functions */
    struct cuda_loop loop;
    unsigned blocks; /* of the one launch of a step; 0: many launches */
    struct cuda_memory copies, epochs, boxes;
    struct step_args step;
    struct cuda_step_layer operands;
};

/* ---- one step, launch by launch */

static void *address(uint64_t at)
{
    return (void *)(uintptr_t)at;
}

static struct norm_args norm_arguments(const struct cuda_decode *d, const struct norm *norm)
{
    size_t n = norm->weights == CUDA_DECODE_ffn_sub_norm ? d->spec.ffn : d->spec.width;
    return (struct norm_args){
        .x = address(norm->x), .added = address(norm->added), .w = address(d->norms[norm->weights].at), .kept = address(norm->kept), .rows = address(d->rows.at),
        .scales = address(d->row_scales.at), .q = address(d->q8.at), .scale = address(d->sx.at), .eps = d->spec.eps, .kind = (int)norm->kind, .n = (int)n,
        .ldq = (int)(cuda_pack_quads(n) * CUDA_QUAD), .token = (int)d->spec.token,
    };
}

static enum cuda_outcome start_norm(struct cuda_decode *d, const struct norm *norm, struct cuda_fault *fault)
{
    struct norm_args a = norm_arguments(d, norm);
    void *arguments[] = {&a};
    return cuda_start(d->device, d->norm, (struct cuda_grid){1, 1, NORM_THREADS, (unsigned)norm_bytes(a.n)}, arguments, fault);
}

static struct stream_args product_arguments(const struct cuda_decode *d, const struct matrix *m, size_t layer, uint64_t y)
{
    bool is_stream = m->choice.row->family == CUDA_STREAM;
    return (struct stream_args){
        address(m->w.at + layer * m->bytes), address(d->q8.at), address(d->sx.at), address(y), d->spec.scale, (int)m->n,
        (int)(is_stream ? (m->n + CUDA_TILE_ROWS - 1) / CUDA_TILE_ROWS : m->shape.tiles), (int)m->shape.quads, (int)m->shape.quads * CUDA_QUAD, 1,
        m->choice.units, m->choice.stages,
    };
}

/* y = W q(norm), in one launch or two. */
static enum cuda_outcome start_product(struct cuda_decode *d, const struct norm *norm, enum cuda_decode_matrix which, size_t layer, uint64_t y, struct cuda_fault *fault)
{
    const struct matrix *m = &d->matrices[which];
    struct norm_stream_args both = {product_arguments(d, m, layer, y), norm_arguments(d, norm), (int)m->choice.grid.shared_bytes};
    void *arguments[] = {&both}, *of_product[] = {&both.product};
    struct cuda_grid grid = m->choice.grid;
    if (m->is_fused) {
        grid.shared_bytes += (unsigned)norm_bytes(both.norm.n);
        return cuda_start(d->device, m->function, grid, arguments, fault);
    }
    enum cuda_outcome o = start_norm(d, norm, fault);
    return o ? o : cuda_start(d->device, m->function, grid, of_product, fault);
}

static size_t attend_bytes(const struct cuda_decode_spec *s)
{
    return 2 * ATTEND_TILE * s->head * 2 + (s->context + 63) / 64 * 64 * sizeof(float); /* the scores are read some at a time */
}

static enum cuda_outcome start_attention(struct cuda_decode *d, size_t layer, struct cuda_fault *fault)
{
    const struct cuda_decode_spec *s = &d->spec;
    struct attend_args a = {
        .qkv = address(d->wide.at), .keys = address(d->keys.at + layer * d->cache_bytes), .values = address(d->values.at + layer * d->cache_bytes),
        .cosine = address(d->angles.at), .sine = address(d->angles.at + s->head / 2 * sizeof(float)), .out = address(d->mixed.at),
        .heads = (int)s->heads, .groups = (int)s->groups, .context = (int)s->context, .at = (int)s->context - 1,
    };
    void *arguments[] = {&a};
    return cuda_start(d->device, d->attend, (struct cuda_grid){(unsigned)s->heads, 1, ATTEND_THREADS, (unsigned)attend_bytes(s)}, arguments, fault);
}

static enum cuda_outcome start_logits(struct cuda_decode *d, struct cuda_fault *fault)
{
    const struct cuda_decode_spec *s = &d->spec;
    struct logits_args a = {address(d->rows.at), address(d->q8.at), address(d->row_scales.at), address(d->sx.at), address(d->logits.at), (int)s->width, (int)s->vocabulary};
    void *arguments[] = {&a};
    return cuda_start(d->device, d->head, (struct cuda_grid){4 * (unsigned)d->device->info.multiprocessors, 1, LOGITS_THREADS, (unsigned)s->width}, arguments, fault);
}

static enum cuda_outcome start_layer(struct cuda_decode *d, size_t layer, struct cuda_fault *fault)
{
    uint64_t x = d->x[0].at, between = d->x[1].at, added = d->added.at, tall = d->tall.at;
    const struct norm attention = {layer ? NORM_RESIDUAL : NORM_EMBEDDING, CUDA_DECODE_attention_norm, x, added, between};
    const struct norm sub = {NORM_PLAIN, CUDA_DECODE_sub_norm, d->mixed.at, 0, 0};
    const struct norm ffn = {NORM_RESIDUAL, CUDA_DECODE_ffn_norm, between, added, x};
    const struct norm gated = {NORM_GATE, CUDA_DECODE_ffn_sub_norm, tall, tall + d->spec.ffn * sizeof(float), 0};
    enum cuda_outcome o;
    if ((o = start_product(d, &attention, CUDA_DECODE_qkv, layer, d->wide.at, fault)) || (o = start_attention(d, layer, fault)) ||
        (o = start_product(d, &sub, CUDA_DECODE_output, layer, added, fault)) || (o = start_product(d, &ffn, CUDA_DECODE_gate_up, layer, tall, fault)))
        return o;
    return start_product(d, &gated, CUDA_DECODE_down, layer, added, fault);
}

static enum cuda_outcome start_step(struct cuda_decode *d, struct cuda_fault *fault)
{
    const struct step_args *a = &d->step;
    struct step_layout l = step_lay(a->width, a->ffn, a->head, a->heads / a->groups, a->context);
    void *arguments[] = {&d->step};
    return cuda_start_together(d->device, d->norm, (struct cuda_grid){d->blocks, 1, STEP_THREADS + 32, (unsigned)l.bytes}, arguments, fault);
}

static enum cuda_outcome record(void *state, unsigned i, struct cuda_fault *fault)
{
    struct cuda_decode *d = state;
    const struct norm last = {NORM_RESIDUAL, CUDA_DECODE_last_norm, d->x[0].at, d->added.at, d->x[1].at};
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    (void)i;
    if (d->blocks)
        return start_step(d, fault);
    for (size_t layer = 0; layer < d->layers && !o; layer++)
        o = start_layer(d, layer, fault);
    if (!o)
        o = start_norm(d, &last, fault);
    return o ? o : start_logits(d, fault);
}

/* ---- bind */

static enum cuda_outcome upload_variant(struct cuda_decode *d, enum cuda_decode_matrix which, size_t variant, uint8_t *packed, int8_t *trits, struct cuda_fault *fault)
{
    struct cuda_device *device = d->device;
    struct matrix *m = &d->matrices[which];
    enum cuda_outcome o;
    memset(packed, 0, m->bytes);
    for (size_t row = 0; row < m->n; row++) {
        d->spec.source(d->spec.data, variant, which, row, m->k, trits);
        for (size_t i = 0; i < m->k && d->blocks; i++)
            trits[i]++; /* as kernels/step.h keeps them */
        cuda_pack_row(packed, m->shape.quads, row, trits, m->k);
    }
    if ((o = cuda_try(device, device->driver.upload(m->w.at + variant * m->bytes, packed, m->bytes), "uploading weights", fault)))
        return o;
    for (size_t layer = variant + d->spec.variants; layer < d->spec.layers && !o; layer += d->spec.variants)
        o = cuda_try(device, device->driver.copy_later(m->w.at + layer * m->bytes, m->w.at + variant * m->bytes, m->bytes, device->stream), "copying weights", fault);
    return o ? o : cuda_finish(device, 20, fault);
}

static enum cuda_outcome open_matrix(struct cuda_decode *d, enum cuda_decode_matrix which, struct cuda_fault *fault)
{
    struct matrix *m = &d->matrices[which];
    cuda_decode_shape(&d->spec, which, &m->n, &m->k);
    m->shape = (struct cuda_shape){m->n, cuda_pack_tiles(m->n), cuda_pack_quads(m->k), 1};
    m->bytes = cuda_pack_bytes(m->n, m->k);
    enum cuda_outcome o = cuda_take(d->device, m->bytes * d->spec.layers, "weights", &m->w, fault);
    if (o)
        return o;
    uint8_t *packed = malloc(m->bytes);
    int8_t *trits = malloc(m->k);
    if (!packed || !trits)
        o = cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory to pack %zu bytes", m->bytes);
    for (size_t variant = 0; variant < d->spec.variants && variant < d->spec.layers && !o; variant++)
        o = upload_variant(d, which, variant, packed, trits, fault);
    free(packed);
    free(trits);
    return o;
}

static enum cuda_outcome upload(struct cuda_decode *d, const float *from, size_t n, const char *what, struct cuda_memory *to, struct cuda_fault *fault)
{
    enum cuda_outcome o = cuda_take(d->device, n * sizeof *from, what, to, fault);
    return o ? o : cuda_try(d->device, d->device->driver.upload(to->at, from, n * sizeof *from), what, fault);
}

static enum cuda_outcome open_vectors(struct cuda_decode *d, struct cuda_fault *fault)
{
    const struct cuda_decode_spec *s = &d->spec;
    float angles[256];
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < CUDA_DECODE_NORMS && !o; i++)
        o = upload(d, s->norms[i], i == CUDA_DECODE_ffn_sub_norm ? s->ffn : s->width, "norms", &d->norms[i], fault);
    memcpy(angles, s->cosine, s->head / 2 * sizeof *angles);
    memcpy(angles + s->head / 2, s->sine, s->head / 2 * sizeof *angles);
    return o ? o : upload(d, angles, s->head, "angles", &d->angles, fault);
}

/* Random halves between -1 and 1 for the cache, so that every position counts; rows of int8 and their scales for the embedding. */
static enum cuda_outcome fill_random(struct cuda_decode *d, struct cuda_fault *fault)
{
    struct cuda_device *device = d->device;
    const struct cuda_memory *const all[] = {&d->rows, &d->keys, &d->values};
    static const char *const kernels[] = {"fill_random", "fill_halves", "fill_halves"};
    enum cuda_outcome o;
    void *function;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = all[i]->at;
        size_t words = all[i]->bytes / 4;
        void *arguments[] = {&at, &words, &i};
        if ((o = cuda_kernel(device, kernels[i], 0, &function, fault)) || (o = cuda_start(device, function, (struct cuda_grid){1024, 1, 256, 0}, arguments, fault)))
            return o;
    }
    float *scales = malloc(d->spec.vocabulary * sizeof *scales);
    if (!scales)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for %zu scales", d->spec.vocabulary);
    for (size_t i = 0; i < d->spec.vocabulary; i++)
        scales[i] = 0.001f + 0.00001f * (float)(i % 97);
    o = cuda_try(device, device->driver.upload(d->row_scales.at, scales, d->spec.vocabulary * sizeof *scales), "uploading scales", fault);
    free(scales);
    return o ? o : cuda_finish(device, 20, fault);
}

static enum cuda_outcome take_buffers(struct cuda_decode *d, struct cuda_fault *fault)
{
    const struct cuda_decode_spec *s = &d->spec;
    size_t longest = s->ffn > s->width ? s->ffn : s->width;
    const struct {
        struct cuda_memory *memory;
        size_t bytes;
        const char *what;
    } rows[] = {
        {&d->rows, s->vocabulary * s->width, "the embedding"}, {&d->row_scales, s->vocabulary * 4, "scales of the embedding"}, {&d->keys, s->layers * d->cache_bytes, "keys"},
        {&d->values, s->layers * d->cache_bytes, "values"}, {&d->x[0], s->width * 4, "the residual"}, {&d->x[1], s->width * 4, "the residual"}, {&d->mixed, s->heads * s->head * 4, "the attention's output"}, {&d->wide, (s->heads + 2 * s->groups) * s->head * 4, "queries, keys, values"},
        {&d->tall, 2 * s->ffn * 4, "gate and up"}, {&d->added, longest * 4, "a layer's addition"}, {&d->q8, cuda_pack_quads(longest) * CUDA_QUAD, "int8 activations"},
        {&d->sx, 64, "a scale"}, {&d->logits, s->vocabulary * 4, "logits"},
    };
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !o; i++)
        o = cuda_take(d->device, rows[i].bytes, rows[i].what, rows[i].memory, fault);
    return o;
}

static enum cuda_outcome find_kernels(struct cuda_decode *d, struct cuda_fault *fault)
{
    size_t shared = d->device->info.shared_bytes - 4096;
    enum cuda_outcome o;
    if ((o = cuda_kernel(d->device, "norm_f32_i8", shared, &d->norm, fault)) || (o = cuda_kernel(d->device, "logits_i8", shared, &d->head, fault)))
        return o;
    return cuda_kernel(d->device, d->spec.head == 64 ? "attend_f16_64" : "attend_f16_128", shared, &d->attend, fault);
}

/* ---- choosing: each matrix's launch by the time of a step of one layer more than needed to see it cold */

/* Whether the norm's floats fit in beside what the product needs. */
static bool can_fuse(const struct cuda_decode *d, const struct matrix *m, const struct cuda_choice *choice)
{
    return choice->row->family == CUDA_STREAM && choice->row->b == 1 && choice->grid.shared_bytes + (size_t)norm_bytes((int)m->k) + 1024 <= d->device->info.shared_bytes;
}

static enum cuda_outcome set_choice(struct cuda_decode *d, struct matrix *m, const struct cuda_choice *choice, bool is_fused, struct cuda_fault *fault)
{
    char name[64];
    snprintf(name, sizeof name, "%s_%s", is_fused ? "norm_t2" : "matmul_t2_i8", choice->row->name);
    m->choice = *choice;
    m->is_fused = is_fused;
    /* A fused kernel has a little shared memory of its own. */
    return cuda_kernel(d->device, name, choice->shared_bytes ? choice->shared_bytes - (is_fused ? 1024 : 0) : 0, &m->function, fault);
}

static enum cuda_outcome time_step(struct cuda_decode *d, double *ns, struct cuda_fault *fault)
{
    struct cuda_loop loop = {0};
    double one = 0;
    enum cuda_outcome o = cuda_loop_open(d->device, 0, record, d, &loop, fault);
    *ns = 1e30;
    for (int i = 0; i < 4 && !o; i++) {
        o = cuda_loop_run(&loop, 2, &one, fault);
        *ns = one < *ns ? one : *ns;
    }
    cuda_loop_close(&loop);
    return o;
}

/* The fastest launch of one matrix, alone or with its norm. */
static enum cuda_outcome choose(struct cuda_decode *d, struct matrix *m, struct cuda_fault *fault)
{
    struct cuda_choice choices[CUDA_CHOICES];
    size_t n = cuda_choices(&d->device->info, &m->shape, NULL, choices, CUDA_CHOICES), best = 0;
    double least = 1e30, ns = 0;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < 2 * n && !o; i++) {
        bool is_fused = i & 1;
        if ((is_fused && !can_fuse(d, m, &choices[i / 2])) || (d->spec.fusing == CUDA_DECODE_NEVER && is_fused) ||
            (d->spec.fusing == CUDA_DECODE_ALWAYS && !is_fused && can_fuse(d, m, &choices[i / 2])))
            continue;
        if (!(o = set_choice(d, m, &choices[i / 2], is_fused, fault)))
            o = time_step(d, &ns, fault);
        if (!o && ns < least) {
            least = ns;
            best = i;
        }
    }
    return o ? o : set_choice(d, m, &choices[best / 2], best & 1, fault);
}

static enum cuda_outcome choose_all(struct cuda_decode *d, struct cuda_fault *fault)
{
    struct cuda_choice first;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < CUDA_DECODE_MATRICES && !o; i++) {
        cuda_choices(&d->device->info, &d->matrices[i].shape, NULL, &first, 1);
        o = set_choice(d, &d->matrices[i], &first, false, fault);
    }
    for (size_t i = 0; i < CUDA_DECODE_MATRICES && !o; i++)
        o = choose(d, &d->matrices[i], fault);
    return o;
}

/* ---- the step as one launch */

static struct step_args step_sizes(const struct cuda_decode_spec *s)
{
    return (struct step_args){
        .eps = s->eps, .scale = s->scale, .layers = (int)s->layers, .width = (int)s->width, .heads = (int)s->heads, .groups = (int)s->groups, .head = (int)s->head,
        .ffn = (int)s->ffn, .vocabulary = (int)s->vocabulary, .context = (int)s->context, .token = (int)s->token,
    };
}

/* Where the blocks' words lie, all of them within d->boxes; returns how many there are. */
static size_t place_boxes(struct cuda_decode *d)
{
    const struct cuda_decode_spec *s = &d->spec;
    const struct {
        uint64_t **box;
        size_t n;
    } all[] = {{&d->step.wide, (s->heads + 2 * s->groups) * s->head}, {&d->step.scores, s->heads * (size_t)step_score_stride((int)s->context)},
               {&d->step.mixed, s->width}, {&d->step.added, s->width}, {&d->step.gated, s->ffn}, {&d->step.down, s->width}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *all[i].box = address(d->boxes.at + n * 8);
        n += (all[i].n + 15) / 16 * 16;
    }
    return n;
}

/* The lists of copies for the layers at hand. */
static enum cuda_outcome list_copies(struct cuda_decode *d, struct cuda_fault *fault)
{
    d->step.layers = (int)d->layers;
    if (!d->blocks)
        return CUDA_OUTCOME_ok;
    struct step_copy *copies = cuda_step_copies(&d->step, &d->operands, d->blocks, &d->step.per_block);
    size_t bytes = (size_t)d->step.per_block * d->blocks * sizeof *copies;
    enum cuda_outcome o = copies ? CUDA_OUTCOME_ok : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for lists of copies");
    if (!o && !d->copies.at)
        o = cuda_take(d->device, bytes, "lists of copies", &d->copies, fault);
    if (!o)
        o = cuda_try(d->device, d->device->driver.upload(d->copies.at, copies, bytes), "uploading lists of copies", fault);
    d->step.copies = address(d->copies.at);
    free(copies);
    return o;
}

static enum cuda_outcome clear(struct cuda_decode *d, size_t words, const char *what, struct cuda_memory *to, struct cuda_fault *fault)
{
    enum cuda_outcome o = cuda_take(d->device, words * 4, what, to, fault);
    return o ? o : cuda_try(d->device, d->device->driver.fill(to->at, 0, words), what, fault);
}

static enum cuda_outcome open_step(struct cuda_decode *d, struct cuda_fault *fault)
{
    const struct cuda_decode_spec *s = &d->spec;
    struct step_layout l = step_lay((int)s->width, (int)s->ffn, (int)s->head, (int)(s->heads / s->groups), (int)s->context);
    enum cuda_outcome o;
    if ((o = clear(d, 2 * place_boxes(d), "numbers on their way", &d->boxes, fault)) || (o = clear(d, d->blocks, "epochs", &d->epochs, fault)) ||
        (o = cuda_kernel(d->device, s->head == 64 ? "decode_step_64" : "decode_step_128", (size_t)l.bytes, &d->norm, fault)))
        return o;
    place_boxes(d);
    for (size_t i = 0; i < CUDA_DECODE_NORMS; i++)
        d->step.norms[i] = address(d->norms[i].at);
    for (size_t i = 0; i < CUDA_DECODE_MATRICES; i++) {
        d->operands.matrices[i] = d->matrices[i].w.at;
        d->operands.matrix_bytes[i] = d->matrices[i].bytes;
    }
    d->operands.keys = d->keys.at;
    d->operands.values = d->values.at;
    d->operands.cache_bytes = d->cache_bytes;
    d->step.epochs = address(d->epochs.at);
    d->step.cosine = address(d->angles.at);
    d->step.sine = address(d->angles.at + s->head / 2 * sizeof(float));
    d->step.scales = address(d->row_scales.at);
    d->step.rows = address(d->rows.at);
    d->step.keys = address(d->keys.at);
    d->step.values = address(d->values.at);
    d->step.logits = address(d->logits.at);
    return list_copies(d, fault);
}

static enum cuda_outcome open_all(struct cuda_decode *d, bool is_whole, struct cuda_fault *fault)
{
    const struct cuda_decode_spec *s = &d->spec;
    enum cuda_outcome o;
    if ((s->head != 64 && s->head != 128) || s->width % 16 || !s->layers || !s->variants || !s->groups || s->heads % s->groups || !s->context ||
        s->heads * s->head > (s->ffn > s->width ? s->ffn : s->width) || attend_bytes(s) > d->device->info.shared_bytes - 8192 || s->token >= s->vocabulary)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "a model of width %zu, %zu heads of %zu, context %zu is not one the kernels serve", s->width, s->heads, s->head, s->context);
    d->cache_bytes = s->groups * s->context * s->head * 2;
    d->layers = s->layers;
    d->step = step_sizes(s);
    d->blocks = is_whole ? cuda_step_blocks(&d->device->info, &d->step) : 0;
    if (!d->blocks && is_whole)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "a step of width %zu, context %zu does not fit in one launch on this card", s->width, s->context);
    if ((o = take_buffers(d, fault)) || (o = open_vectors(d, fault)) || (o = fill_random(d, fault)) || (o = find_kernels(d, fault)))
        return o;
    for (size_t i = 0; i < CUDA_DECODE_MATRICES && !o; i++)
        o = open_matrix(d, (enum cuda_decode_matrix)i, fault);
    if (o || (o = d->blocks ? open_step(d, fault) : choose_all(d, fault)))
        return o;
    return cuda_loop_open(d->device, 0, record, d, &d->loop, fault);
}

static enum cuda_outcome bind_one(struct cuda_device *device, const struct cuda_decode_spec *spec, bool is_whole, struct cuda_decode **out, struct cuda_fault *fault)
{
    struct cuda_decode *d = calloc(1, sizeof *d);
    if (!d)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a decoder's state");
    d->device = device;
    d->spec = *spec;
    enum cuda_outcome o = open_all(d, is_whole, fault);
    if (o)
        cuda_decode_close(d);
    else
        *out = d;
    return o;
}

/* Binds the step as one launch beside *kept, keeps the faster in *kept and closes the other. */
static enum cuda_outcome try_whole(struct cuda_decode **kept, struct cuda_fault *fault)
{
    struct cuda_decode *whole = NULL;
    double many_ns = 0, whole_ns = 0;
    enum cuda_outcome o = bind_one((*kept)->device, &(*kept)->spec, true, &whole, fault);
    if (!o)
        o = time_step(*kept, &many_ns, fault);
    if (!o)
        o = time_step(whole, &whole_ns, fault);
    if (!o && whole_ns < many_ns) {
        struct cuda_decode *slower = *kept;
        *kept = whole;
        whole = slower;
    }
    cuda_decode_close(whole);
    return o;
}

/* Refusals that say nothing against what is bound already: no room for two steps at once, or blocks that cannot run together here. */
static bool is_refusal(enum cuda_outcome o)
{
    return o == CUDA_OUTCOME_out_of_memory || o == CUDA_OUTCOME_too_old || o == CUDA_OUTCOME_mismatch;
}

enum cuda_outcome cuda_decode_bind(struct cuda_device *device, const struct cuda_decode_spec *spec, struct cuda_decode **out, struct cuda_fault *fault)
{
    struct cuda_decode *fastest = NULL;
    struct cuda_fault second = {0};
    if (spec->fusing != CUDA_DECODE_FASTEST)
        return bind_one(device, spec, spec->fusing == CUDA_DECODE_WHOLE, out, fault);
    enum cuda_outcome o = bind_one(device, spec, false, &fastest, fault);
    if (o)
        return o;
    if (cuda_step_blocks(&device->info, &fastest->step) && (o = try_whole(&fastest, &second)) && !is_refusal(o)) {
        cuda_decode_close(fastest);
        if (fault)
            *fault = second;
        return o;
    }
    *out = fastest;
    return CUDA_OUTCOME_ok;
}

void cuda_decode_close(struct cuda_decode *d)
{
    if (!d)
        return;
    struct cuda_memory *const all[] = {&d->angles, &d->rows, &d->row_scales, &d->keys, &d->values, &d->x[0], &d->x[1], &d->wide, &d->tall, &d->mixed, &d->added, &d->q8, &d->sx, &d->logits, &d->copies, &d->epochs, &d->boxes};
    cuda_loop_close(&d->loop);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda_give(d->device, all[i]);
    for (size_t i = 0; i < CUDA_DECODE_NORMS; i++)
        cuda_give(d->device, &d->norms[i]);
    for (size_t i = 0; i < CUDA_DECODE_MATRICES; i++)
        cuda_give(d->device, &d->matrices[i].w);
    free(d);
}

enum cuda_outcome cuda_decode_run(struct cuda_decode *d, uint64_t n, double *ns, struct cuda_fault *fault)
{
    return cuda_loop_run(&d->loop, n, ns, fault);
}

/* ---- look */

static enum cuda_outcome fetch(struct cuda_decode *d, void *to, uint64_t from, size_t bytes, struct cuda_fault *fault)
{
    return to ? cuda_try(d->device, d->device->driver.download(to, from, bytes), "fetching", fault) : CUDA_OUTCOME_ok;
}

/* The first `layers` layers and the logits, once. */
static enum cuda_outcome run_part(struct cuda_decode *d, size_t layers, struct cuda_fault *fault)
{
    struct cuda_loop loop = {0};
    double ns;
    d->layers = layers < d->spec.layers ? layers : d->spec.layers;
    enum cuda_outcome o = cuda_try(d->device, d->device->driver.fill(d->logits.at, 0xFFFFFFFFu, d->spec.vocabulary), "clearing logits", fault);
    if (!o)
        o = list_copies(d, fault);
    if (!o)
        o = cuda_loop_open(d->device, 0, record, d, &loop, fault);
    if (!o)
        o = cuda_loop_run(&loop, 1, &ns, fault);
    cuda_loop_close(&loop);
    d->layers = d->spec.layers;
    return o ? o : list_copies(d, fault);
}

/* Values of layer 0 in order: the one launch keeps them in slices (kernels/step.h). */
static enum cuda_outcome fetch_values(struct cuda_decode *d, uint16_t *to, struct cuda_fault *fault)
{
    enum cuda_outcome o = fetch(d, to, d->values.at, d->cache_bytes, fault);
    size_t head = d->spec.head, rows = d->cache_bytes / 2 / head, context = d->spec.context;
    uint16_t *sliced = o || !to || !d->blocks ? NULL : malloc(d->cache_bytes);
    if (!sliced)
        return o || !to || !d->blocks ? o : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for %zu bytes of values", d->cache_bytes);
    memcpy(sliced, to, d->cache_bytes);
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < head; i++)
            to[row * head + i] = sliced[((row / context * (head / STEP_SLICE) + i / STEP_SLICE) * context + row % context) * STEP_SLICE + i % STEP_SLICE];
    free(sliced);
    return o;
}

enum cuda_outcome cuda_decode_look(struct cuda_decode *d, const struct cuda_decode_view *v, struct cuda_fault *fault)
{
    size_t width = d->spec.width;
    enum cuda_outcome o = v->logits ? run_part(d, v->layers, fault) : CUDA_OUTCOME_ok;
    if (o || (o = fetch(d, v->logits, d->logits.at, d->spec.vocabulary * 4, fault)) || (o = fetch(d, v->keys, d->keys.at, d->cache_bytes, fault)) ||
        (o = fetch_values(d, v->values, fault)) || (o = fetch(d, v->embedding, d->rows.at + v->row * width, width, fault)))
        return o;
    return fetch(d, v->embedding_scale, d->row_scales.at + v->row * 4, 4, fault);
}

void cuda_decode_why(const struct cuda_decode *d, char *text, size_t size)
{
    size_t at = 0;
    text[0] = 0;
    if (d->blocks)
        snprintf(text, size, "one launch of %u blocks", d->blocks);
    for (size_t i = 0; i < CUDA_DECODE_MATRICES && at < size && !d->blocks; i++) {
        const struct matrix *m = &d->matrices[i];
        at += (size_t)snprintf(text + at, size - at, "%s%s%s %u blocks %d stages of %d", i ? "; " : "", m->is_fused ? "norm+" : "", m->choice.row->name, m->choice.grid.x,
                               m->choice.stages, m->choice.units);
    }
}

double cuda_decode_bytes(const struct cuda_decode *d)
{
    double bytes = (double)d->rows.bytes + (double)(d->keys.bytes + d->values.bytes);
    for (size_t i = 0; i < CUDA_DECODE_MATRICES; i++)
        bytes += (double)d->matrices[i].w.bytes;
    return bytes;
}
