/* SPDX-License-Identifier: Apache-2.0
 * gpu_decode: one decode step of a seeded model on the card, whole, as one graph. The check runs the first layer on the CPU's scalar
 * kernels over the same cache and compares logits bit by bit. */
#include "core/accelerator.h"
#include "core/attention.h"
#include "core/error.h"
#include "core/random.h"
#include "core/vector.h"
#include "format/quants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_NORM = 40, TAG_MATRIX = 50, TAG_LOOK = 60, VARIANTS = 2, ROWS_LOOKED_AT = 64, TOKEN = 11 };

struct step {
    struct tern_accelerator on;
    struct cuda_decode *decode;
    struct cuda_decode_spec spec;
    uint64_t seed;
    float *norms[CUDA_DECODE_NORMS], *angles;
};

static const struct shape {
    const char *name;
    size_t layers, width, heads, groups, head, ffn, vocabulary;
} shapes[] = {
    { "2b4t", 30, 2560, 20, 5, 128, 6912, 128256 }, /* BitNet b1.58 2B4T, arXiv:2504.12285 */
    { "tiny", 2, 256, 4, 2, 64, 704, 1000 },
};

static const struct tern_op_param params[] = {
    { "model", "2b4t", "2b4t or tiny" },
    { "context", "512", "positions, the last of which is decoded" },
    { "seed", "1", "of the weights" },
    { "fusing", "fastest", "fastest, whole (one launch a step), never or always (norms within the products after them)" },
    { NULL, NULL, NULL },
};

static void seeded_row(const void *data, size_t variant, enum cuda_decode_matrix matrix, size_t n, size_t k, int8_t *trits)
{
    const struct step *s = data;
    tern_random_trits(tern_random_start(s->seed, (uint32_t)(TAG_MATRIX + variant * CUDA_DECODE_MATRICES + matrix), n), 0.667, trits, k);
}

static bool make_vectors(struct step *s)
{
    size_t half = s->spec.head / 2;
    s->angles = malloc(2 * half * sizeof *s->angles);
    bool ok = s->angles;
    for (uint32_t i = 0; i < CUDA_DECODE_NORMS && ok; i++) {
        size_t n = i == CUDA_DECODE_ffn_sub_norm ? s->spec.ffn : s->spec.width;
        ok = (s->norms[i] = malloc(n * sizeof(float)));
        if (ok)
            tern_random_floats(tern_random_start(s->seed, TAG_NORM, i), 0.5f, s->norms[i], n);
        for (size_t j = 0; j < n && ok; j++)
            s->norms[i][j] += 1;
        s->spec.norms[i] = s->norms[i];
    }
    for (size_t i = 0; i < half && ok; i++) {
        double angle = (double)(s->spec.context - 1) * pow(500000, -(double)i / (double)half);
        s->angles[i] = (float)cos(angle);
        s->angles[half + i] = (float)sin(angle);
    }
    s->spec.cosine = s->angles;
    s->spec.sine = s->angles ? s->angles + half : NULL;
    return ok;
}

static enum tern_status read_params(struct tern_op *op, struct step *s, struct tern_error *error)
{
    static const char *const names[] = { "2b4t", "tiny", NULL };
    static const char *const fusings[] = { "fastest", "never", "always", "whole", NULL };
    size_t model, context, fusing;
    enum tern_status status;
    if ((status = tern_op_choice(op, "fusing", fusings, &fusing, error)) || (status = tern_op_choice(op, "model", names, &model, error)) || (status = tern_op_size(op, "context", 2, 32768, &context, error)) ||
        (status = tern_op_seed(op, "seed", &s->seed, error)))
        return status;
    const struct shape *m = &shapes[model];
    s->spec = (struct cuda_decode_spec){
        .layers = m->layers, .variants = VARIANTS, .width = m->width, .heads = m->heads, .groups = m->groups, .head = m->head, .ffn = m->ffn,
        .vocabulary = m->vocabulary, .context = context, .fusing = (enum cuda_decode_fusing)fusing, .eps = 1e-5f, .scale = 1.0f / sqrtf(0.667f * (float)m->width), .token = TOKEN,
        .source = seeded_row, .data = s,
    };
    return TERN_OK;
}

static void run(struct tern_op *op, uint64_t n)
{
    struct step *s = op->state;
    struct cuda_fault fault;
    if (s->on.face->decode_run(s->decode, n, &op->elapsed_ns, &fault))
        op->elapsed_ns = -1;
}

static enum tern_status bind(struct tern_op *op, struct tern_error *error)
{
    struct cuda_fault fault;
    struct step *s = op->state = calloc(1, sizeof *s);
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    op->run_many = run;
    if ((status = read_params(op, s, error)) || (status = tern_accelerator_open(&s->on, error)))
        return status;
    if (!make_vectors(s))
        return tern_error_memory(error, "norms", s->spec.ffn * sizeof(float));
    enum cuda_outcome o = s->on.face->decode_bind(s->on.device, &s->spec, &s->decode, &fault);
    if (!o)
        s->on.face->decode_why(s->decode, op->why, sizeof op->why);
    return tern_accelerator_fault(o, &fault, error);
}

/* ---- the first layers on the CPU */

struct reference {
    const struct step *s;
    const struct tern_kernels *kernels;
    float *x, *wide, *tall, *added, *mixed, *scores, scale;
    int8_t *q, *trits;
    uint16_t *keys, *values; /* as the card has them, then keys in order */
    size_t stride;
};

/* y[n] = sum_k W[n][k] q[k] times its scales. */
static void product(struct reference *r, size_t layer, enum cuda_decode_matrix matrix, float *y)
{
    size_t n, k;
    cuda_decode_shape(&r->s->spec, matrix, &n, &k);
    for (size_t row = 0; row < n; row++) {
        int32_t sum = 0;
        seeded_row(r->s, layer % VARIANTS, matrix, row, k, r->trits);
        for (size_t i = 0; i < k; i++)
            sum += r->trits[i] * r->q[i];
        y[row] = (float)sum * (r->scale * r->s->spec.scale);
    }
}

static void norm(struct reference *r, const float *x, enum cuda_decode_norm which, size_t n)
{
    int32_t sum;
    r->scale = r->kernels->vector.rms_norm_quantize(x, r->s->norms[which], n, r->s->spec.eps, r->q, r->stride, &sum);
}

/* Keys as kernels/decode.h draws them, into the order of positions and elements. */
static bool keys_in_order(struct reference *r)
{
    const struct cuda_decode_spec *p = &r->s->spec;
    size_t rows = p->groups * p->context, d = p->head;
    uint16_t *ordered = malloc(rows * d * sizeof *ordered);
    for (size_t i = 0; ordered && i < rows * d; i++)
        ordered[i] = r->keys[i / d * d + i % d % 16 * (d / 16) + i % d / 16];
    if (ordered)
        memcpy(r->keys, ordered, rows * d * sizeof *ordered);
    free(ordered);
    return ordered;
}

static void attention(struct reference *r)
{
    const struct cuda_decode_spec *p = &r->s->spec;
    size_t d = p->head, at = p->context - 1;
    float *k = r->wide + p->heads * d, *v = k + p->groups * d;
    struct tern_rows keys[p->groups], values[p->groups];
    for (size_t h = 0; h < p->heads + p->groups; h++)
        r->kernels->vector.rope(r->wide + h * d, p->cosine, p->sine, d);
    for (size_t g = 0; g < p->groups; g++) {
        uint16_t *to_k = r->keys + g * p->context * d, *to_v = r->values + g * p->context * d;
        for (size_t i = 0; i < d; i++) {
            to_k[at * d + i] = tern_float_to_half(k[g * d + i]);
            to_v[at * d + i] = tern_float_to_half(v[g * d + i]);
        }
        keys[g] = (struct tern_rows){ .type = TERN_F16, .data = to_k, .stride = d * 2 };
        values[g] = (struct tern_rows){ .type = TERN_F16, .data = to_v, .stride = d * 2 };
    }
    struct tern_attention a = {
        .tokens = 1, .before = at, .heads = p->heads, .groups = p->groups, .d = d, .q = r->wide, .k = keys, .v = values, .out = r->mixed,
        .scores = r->scores, .score_stride = p->context,
    };
    tern_attention_part(r->kernels, &a, 0, 1);
}

static void first_layer(struct reference *r)
{
    const struct cuda_decode_spec *p = &r->s->spec;
    norm(r, r->x, CUDA_DECODE_attention_norm, p->width);
    product(r, 0, CUDA_DECODE_qkv, r->wide);
    attention(r);
    norm(r, r->mixed, CUDA_DECODE_sub_norm, p->width);
    product(r, 0, CUDA_DECODE_output, r->added);
    r->kernels->vector.add(r->added, p->width, r->x);
    norm(r, r->x, CUDA_DECODE_ffn_norm, p->width);
    product(r, 0, CUDA_DECODE_gate_up, r->tall);
    r->kernels->vector.gate(r->tall, r->tall + p->ffn, p->ffn, r->tall);
    norm(r, r->tall, CUDA_DECODE_ffn_sub_norm, p->ffn);
    product(r, 0, CUDA_DECODE_down, r->added);
    r->kernels->vector.add(r->added, p->width, r->x);
    norm(r, r->x, CUDA_DECODE_last_norm, p->width);
}

static bool open_reference(struct reference *r, const struct step *s)
{
    const struct cuda_decode_spec *p = &s->spec;
    size_t cache = p->groups * p->context * p->head, wide = (p->heads + 2 * p->groups) * p->head;
    *r = (struct reference){ .s = s, .kernels = &tern_backend_scalar()->kernels, .stride = (p->ffn > p->width ? p->ffn : p->width) + 64 };
    float **const floats[] = { &r->x, &r->wide, &r->tall, &r->added, &r->mixed, &r->scores };
    const size_t sizes[] = { p->width, wide, 2 * p->ffn, r->stride, p->width, p->context };
    bool ok = (r->q = malloc(r->stride)) && (r->trits = malloc(r->stride)) && (r->keys = malloc(cache * 2)) && (r->values = malloc(cache * 2));
    for (size_t i = 0; i < 6 && ok; i++)
        ok = (*floats[i] = malloc(sizes[i] * sizeof(float)));
    return ok;
}

static void close_reference(struct reference *r)
{
    void *const all[] = { r->x, r->wide, r->tall, r->added, r->mixed, r->scores, r->q, r->trits, r->keys, r->values };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* ---- check */

static enum tern_status look(struct tern_op *op, struct cuda_decode_view view, struct tern_error *error)
{
    struct step *s = op->state;
    struct cuda_fault fault;
    return tern_accelerator_fault(s->on.face->decode_look(s->decode, &view, &fault), &fault, error);
}

/* Row `row` of the embedding; its product with q is a logit. */
static enum tern_status check_logit(struct tern_op *op, const struct reference *r, size_t row, float found, struct tern_error *error)
{
    float scale, expected;
    enum tern_status status = look(op, (struct cuda_decode_view){ .row = row, .embedding = r->trits, .embedding_scale = &scale }, error);
    if (status)
        return status;
    struct tern_rows rows = { .type = TERN_I8, .data = r->trits, .stride = r->s->spec.width, .scale = &scale, .scale_stride = 1 };
    r->kernels->vector.dots_int8(r->q, r->scale, r->s->spec.width, &rows, 1, &expected);
    if (!memcmp(&expected, &found, sizeof found))
        return TERN_OK;
    return tern_error_set(error, TERN_WRONG, "gpu_decode: logit %zu after one layer is %.9g, expected %.9g", row, (double)found, (double)expected);
}

static enum tern_status check_first_layer(struct tern_op *op, struct reference *r, float *logits, struct tern_error *error)
{
    const struct cuda_decode_spec *p = &r->s->spec;
    uint64_t random = tern_random_start(r->s->seed, TAG_LOOK, 0);
    float scale;
    enum tern_status status = look(op, (struct cuda_decode_view){ .keys = r->keys, .values = r->values, .row = p->token, .embedding = r->trits, .embedding_scale = &scale }, error);
    if (!status && !keys_in_order(r))
        status = tern_error_memory(error, "keys", p->context);
    for (size_t i = 0; i < p->width && !status; i++)
        r->x[i] = scale * (float)r->trits[i];
    if (!status) {
        first_layer(r);
        status = look(op, (struct cuda_decode_view){ .layers = 1, .logits = logits }, error);
    }
    for (size_t i = 0; i < ROWS_LOOKED_AT && !status; i++) {
        size_t row = (size_t)(tern_random_next(&random) % p->vocabulary);
        status = check_logit(op, r, row, logits[row], error);
    }
    return status;
}

/* The whole step twice: every logit a number, and the same bits again. */
static enum tern_status check_repeats(struct tern_op *op, float *logits, struct tern_error *error)
{
    const struct step *s = op->state;
    size_t n = s->spec.vocabulary;
    enum tern_status status = look(op, (struct cuda_decode_view){ .layers = s->spec.layers, .logits = logits }, error);
    if (!status)
        status = look(op, (struct cuda_decode_view){ .layers = s->spec.layers, .logits = logits + n }, error);
    for (size_t i = 0; i < n && !status; i++)
        if (!isfinite(logits[i]) || memcmp(&logits[i], &logits[n + i], sizeof *logits))
            status = tern_error_set(error, TERN_WRONG, "gpu_decode: logit %zu is %.9g, then %.9g", i, (double)logits[i], (double)logits[n + i]);
    return status;
}

static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    struct step *s = op->state;
    struct reference r;
    float *logits = malloc(2 * s->spec.vocabulary * sizeof *logits);
    enum tern_status status = open_reference(&r, s) && logits ? TERN_OK : tern_error_memory(error, "the reference", s->spec.vocabulary * sizeof *logits);
    if (!status)
        status = check_first_layer(op, &r, logits, error);
    if (!status)
        status = check_repeats(op, logits, error);
    close_reference(&r);
    free(logits);
    return status;
}

static void work(const struct tern_op *op, struct tern_work *work)
{
    const struct step *s = op->state;
    work->bytes = s->on.face->decode_bytes(s->decode);
    work->items = 1;
}

static void close(struct tern_op *op)
{
    struct step *s = op->state;
    if (s->decode)
        s->on.face->decode_close(s->decode);
    for (size_t i = 0; i < CUDA_DECODE_NORMS; i++)
        free(s->norms[i]);
    free(s->angles);
    free(s);
}

const struct tern_op_row tern_op_row_gpu_decode = {
    .name = "gpu_decode", .about = "one decode step of a seeded model on the card, as one graph", .params = params, .bind = bind, .check = check,
    .work = work, .close = close,
};
