/* SPDX-License-Identifier: Apache-2.0 */
#include "model/session.h"

#include "core/error.h"
#include "core/memory.h"
#include "format/checked.h"
#include "model/forward.h"
#include "model/layers.h"

#include <stdlib.h>
#include <string.h>

/* ROWS_USUAL: weights are read from memory once for so many rows, and what a step hands to the next is still in the last cache. */
enum { LINE = 64, CONTEXT_USUAL = 4096, ROWS_USUAL = 256 };

/* Takes pieces of whole cache lines from an arena; without one it only counts. */
struct cutter {
    struct tern_arena *arena;
    uint64_t used;
    bool is_too_large;
};

static void *cut(struct cutter *c, uint64_t n, uint64_t each, uint64_t size)
{
    uint64_t bytes, end;
    if (!tern_checked_mul(n, each, &bytes) || !tern_checked_mul(bytes, size, &bytes) || !tern_checked_align(bytes, LINE, &bytes) ||
        !tern_checked_add(c->used, bytes, &end) || end > PTRDIFF_MAX) {
        c->is_too_large = true;
        return NULL;
    }
    c->used = end;
    return c->arena ? tern_arena_take(c->arena, bytes ? (size_t)bytes : LINE, LINE, NULL) : NULL;
}

size_t tern_session_block(const struct tern_session *s)
{
    size_t heads = s->plan->model->config.n_heads / s->plan->model->config.n_kv_heads;
    return heads < s->attention->rows ? s->attention->rows / heads : 1;
}

char *tern_session_cache(const struct tern_session *s, char *cache, size_t layer, size_t sequence, size_t group)
{
    return cache + ((layer * s->sequences + sequence) * s->plan->model->config.n_kv_heads + group) * s->group_bytes;
}

/* Floats that a thread needs at once: scores of a block of attention, or a decoded row of weights beside its input and sums. */
static size_t own_floats(const struct tern_session *s, const struct tern_config *m)
{
    size_t block = tern_session_block(s), tokens = s->rows < block ? s->rows : block;
    size_t attention = s->attention->floats(tokens * (m->n_heads / m->n_kv_heads), s->context, m->head_size);
    size_t decoded = 2 * (size_t)(m->ffn > m->width ? m->ffn : m->width) + s->rows;
    return ((attention > decoded ? attention : decoded) + 15) / 16 * 16;
}

static bool is_exact(const struct tern_session *s)
{
    return s->plan->options.precision == TERN_PRECISION_F32;
}

static uint64_t kv_width(const struct tern_config *m)
{
    return (uint64_t)m->n_kv_heads * m->head_size;
}

/* Of float activations. */
static void lay_out_exact(struct tern_session *s, struct cutter *c)
{
    const struct tern_config *m = &s->plan->model->config;
    struct tern_exact *e = &s->exact;
    uint64_t kv = kv_width(m), tall = m->ffn > m->width ? m->ffn : m->width, positions = 0;
    if (!tern_checked_mul(s->sequences, s->context, &positions) || !tern_checked_mul(positions, m->n_layers, &positions))
        c->is_too_large = true;
    e->keys = cut(c, positions, kv, sizeof(double));
    e->values = cut(c, positions, kv, sizeof(double));
    const struct { double **at; uint64_t width; } scratch[] = {
        {&e->x, m->width}, {&e->h, tall}, {&e->q, m->width}, {&e->k, kv}, {&e->v, kv}, {&e->mixed, m->width}, {&e->gate, m->ffn}, {&e->up, m->ffn},
    };
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        *scratch[i].at = cut(c, s->rows, scratch[i].width, sizeof(double));
    e->scores = cut(c, (uint64_t)s->plan->options.threads, s->context, sizeof(double));
    s->own_floats = (tall + 15) / 16 * 16; /* a decoded row of weights */
}

static size_t made_count(const struct tern_session *s)
{
    return 1 + (size_t)s->plan->options.threads;
}

/* Rows of s->made[i]. */
static size_t made_rows(const struct tern_session *s, size_t i)
{
    return i ? 1 : s->rows;
}

static void lay_out_made(const struct tern_config *m, struct cutter *c, struct tern_made *made, size_t rows)
{
    made->x = cut(c, rows, m->width, sizeof(float));
    made->last_x = cut(c, rows, m->width, sizeof(float));
    made->last_groups = cut(c, rows, m->width / 32 + 1, sizeof *made->last_groups);
}

/* Of int8 activations. The KV cache first: it is what a decoded token reads. */
static void lay_out_int8(struct tern_session *s, struct cutter *c)
{
    const struct tern_config *m = &s->plan->model->config;
    uint64_t kv = kv_width(m), groups = 0;
    if (!tern_checked_mul(s->sequences, m->n_kv_heads, &groups) || !tern_checked_mul(groups, m->n_layers, &groups))
        c->is_too_large = true;
    s->group_bytes = s->attention->bytes(s->context, m->head_size);
    s->keys = cut(c, groups, s->group_bytes, 1);
    s->values = cut(c, groups, s->group_bytes, 1);
    s->cosine = cut(c, s->context, m->head_size / 2, sizeof(float));
    s->sine = cut(c, s->context, m->head_size / 2, sizeof(float));
    const struct { float **at; uint64_t width; } scratch[] = {
        {&s->q, m->width}, {&s->k, kv}, {&s->v, kv}, {&s->mixed, m->width}, {&s->added, m->width}, {&s->gate, m->ffn}, {&s->up, m->ffn},
    };
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        *scratch[i].at = cut(c, s->rows, scratch[i].width, sizeof(float));
    for (size_t i = 0; i < made_count(s); i++)
        lay_out_made(m, c, &s->made[i], made_rows(s, i));
    s->own_floats = own_floats(s, m);
}

static void lay_out(struct tern_session *s, struct cutter *c)
{
    (is_exact(s) ? lay_out_exact : lay_out_int8)(s, c);
    s->lengths = cut(c, s->sequences, 1, sizeof *s->lengths);
    s->positions = cut(c, s->rows, 1, sizeof *s->positions);
    s->wants = cut(c, s->rows, 1, 1);
    s->own = cut(c, (uint64_t)s->plan->options.threads, s->own_floats, sizeof(float));
}

static enum tern_status choose_sizes(struct tern_session *s, const struct tern_session_options *o, struct tern_error *err)
{
    size_t most = s->plan->model->config.context;
    s->sequences = o && o->sequences ? o->sequences : 1;
    s->context = o && o->context ? o->context : most < CONTEXT_USUAL ? most : CONTEXT_USUAL;
    s->rows = o && o->rows ? o->rows : s->context < ROWS_USUAL ? s->context : ROWS_USUAL;
    if (s->context > most)
        return tern_error_set(err, TERN_INVALID, "a context of %zu positions, the model has %zu", s->context, most);
    return TERN_OK;
}

static enum tern_status open_activations(const struct tern_config *m, struct tern_made *made, size_t rows, struct tern_error *err)
{
    enum tern_status status = tern_activations_open(&made->wide, rows, m->width, err);
    if (status == TERN_OK)
        status = tern_activations_open(&made->tall, rows, m->ffn, err);
    return status == TERN_OK ? tern_activations_open(&made->last, rows, m->width, err) : status;
}

static enum tern_status take_memory(struct tern_session *s, struct tern_error *err)
{
    const struct tern_config *m = &s->plan->model->config;
    struct cutter count = {0};
    lay_out(s, &count);
    s->bytes = (size_t)count.used;
    if (count.is_too_large)
        return tern_error_set(err, TERN_NO_MEMORY, "a session of %zu sequences and %zu positions is larger than memory can be", s->sequences,
                              s->context);
    if (s->bytes > PTRDIFF_MAX / 2)
        return tern_error_memory(err, "a session", s->bytes);
    enum tern_status status = tern_arena_open(&s->arena, NULL, s->bytes + 64 * LINE, TERN_TAG_KV, err); /* one chunk: nothing is taken from a second */
    if (status != TERN_OK)
        return status;
    lay_out(s, &(struct cutter){.arena = &s->arena});
    memset(s->lengths, 0, s->sequences * sizeof *s->lengths);
    if (is_exact(s))
        return TERN_OK;
    for (size_t i = 0; i < made_count(s) && status == TERN_OK; i++)
        status = open_activations(m, &s->made[i], made_rows(s, i), err);
    return status;
}

enum tern_status tern_session_open(const struct tern_plan *plan, const struct tern_session_options *options, struct tern_session **out,
                                   struct tern_error *err)
{
    *out = NULL;
    struct tern_session *s = tern_array_open(1, sizeof *s);
    if (!s)
        return tern_error_memory(err, "a session", sizeof *s);
    s->plan = plan;
    s->attention = options && options->attention ? options->attention : &tern_attend_bf16;
    s->made = tern_array_open(made_count(s), sizeof *s->made);
    enum tern_status status = s->made ? choose_sizes(s, options, err) : tern_error_memory(err, "a session", made_count(s) * sizeof *s->made);
    if (status == TERN_OK)
        status = take_memory(s, err);
    if (status != TERN_OK) {
        tern_session_close(s);
        return status;
    }
    const struct tern_config *c = &plan->model->config;
    for (size_t p = 0; p < s->context && s->cosine; p++)
        tern_layer_angles((double)p * c->rope_scale, (double)c->rope_base, c->head_size, s->cosine + p * (c->head_size / 2),
                          s->sine + p * (c->head_size / 2));
    *out = s;
    return TERN_OK;
}

void tern_session_close(struct tern_session *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->made && i < made_count(s); i++) {
        tern_activations_close(&s->made[i].wide);
        tern_activations_close(&s->made[i].tall);
        tern_activations_close(&s->made[i].last);
    }
    tern_array_close(s->made);
    tern_arena_close(&s->arena);
    tern_array_close(s);
}

void tern_session_rewind(struct tern_session *s, size_t sequence, size_t length)
{
    if (sequence < s->sequences && length < s->lengths[sequence])
        s->lengths[sequence] = length;
}

static uint32_t sequence_of(const struct tern_pass *p, size_t i)
{
    return p->sequences ? p->sequences[i] : 0;
}

/* Counts positions as the pass will, then takes them back. */
static enum tern_status check(struct tern_session *s, const struct tern_pass *p, struct tern_error *err)
{
    uint32_t vocabulary = s->plan->model->config.vocabulary;
    enum tern_status status = TERN_OK;
    size_t i = 0;
    for (; i < p->n && status == TERN_OK; i++) {
        uint32_t sequence = sequence_of(p, i);
        if (p->tokens[i] >= vocabulary)
            status = tern_error_set(err, TERN_INVALID, "token %zu is %u; the vocabulary has %u", i, (unsigned)p->tokens[i], (unsigned)vocabulary);
        else if (sequence >= s->sequences)
            status = tern_error_set(err, TERN_INVALID, "token %zu is of sequence %u; there are %zu", i, (unsigned)sequence, s->sequences);
        else if (s->lengths[sequence]++ >= s->context)
            status = tern_error_set(err, TERN_INVALID, "token %zu would be position %zu; the context has %zu", i, s->lengths[sequence] - 1, s->context);
    }
    for (size_t k = 0; k < i; k++)
        if (sequence_of(p, k) < s->sequences && p->tokens[k] < vocabulary)
            s->lengths[sequence_of(p, k)]--;
    return status;
}

/* Of n tokens from the piece that starts at `from`. */
static const uint8_t *wants_of(struct tern_session *s, const struct tern_pass *p, size_t from, size_t n)
{
    memset(s->wants, p->every, n);
    if (from + n == p->n)
        s->wants[n - 1] = 1;
    return s->wants;
}

enum tern_status tern_session_forward(struct tern_session *s, const struct tern_pass *p, struct tern_error *err)
{
    enum tern_status status = check(s, p, err);
    float *logits = p->logits;
    if (status != TERN_OK || p->n == 0)
        return status;
    for (size_t from = 0; from < p->n; from += s->rows) {
        size_t n = p->n - from < s->rows ? p->n - from : s->rows;
        struct tern_pass piece = {n, p->tokens + from, p->sequences ? p->sequences + from : NULL,
                                   p->wants ? p->wants + from : wants_of(s, p, from, n), logits, false};
        size_t wanted = tern_forward(s, &piece);
        if (logits)
            logits += wanted * s->plan->model->config.vocabulary;
    }
    return TERN_OK;
}

enum tern_status tern_session_greedy(struct tern_session *s, float *logits, size_t n, uint32_t *out, struct tern_error *err)
{
    enum tern_status status = TERN_OK;
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        out[i] = (uint32_t)tern_layer_largest(logits, s->plan->model->config.vocabulary);
        if (i + 1 < n)
            status = tern_session_forward(s, &(struct tern_pass){.n = 1, .tokens = &out[i], .logits = logits}, err);
    }
    return status;
}
