/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/session.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"
#include "cuda/pass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_AT_ONCE = 1024 }; /* launched before the host waits */

static const struct {
    const char *name, *fill; /* kernel that fills it with random elements */
    size_t bytes;
} caches[CUDA_CACHES] = {
    [CUDA_CACHE_f32] = {"f32", "fill_floats", 4}, [CUDA_CACHE_f16] = {"f16", "fill_halves", 2}, [CUDA_CACHE_i8] = {"i8", "fill_random", 1}};

const char *cuda_cache_name(enum cuda_cache cache)
{
    return caches[cache].name;
}

size_t cuda_cache_bytes(enum cuda_cache cache)
{
    return caches[cache].bytes;
}

/* ---- bind */

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t scores_floats(const struct cuda_session *s)
{
    const struct cuda_model_spec *m = &s->model->spec;
    size_t tokens = ATTEND_ROWS / (m->heads / m->groups), blocks = s->share.groups * ((s->spec.rows + tokens - 1) / tokens);
    return s->spec.rows > 1 ? s->positions * blocks * ATTEND_ROWS : 0;
}

static enum cuda_outcome take_buffers(struct cuda_session *s, struct cuda_fault *fault)
{
    const struct cuda_model_spec *m = &s->model->spec;
    size_t rows = s->spec.rows, sequences = s->spec.sequences, cached = m->layers * sequences * s->share.groups * s->positions, element = cuda_cache_bytes(s->spec.cache), f = sizeof(float);
    size_t scales = s->spec.cache == CUDA_CACHE_i8 ? cached * f : 0, longest = m->width > m->ffn ? m->width : m->ffn;
    size_t ranks = m->ranks ? m->ranks : 1, mixed = s->share.mixed, tall = 2 * s->share.ffn, part = mixed > tall ? mixed : tall;
    const struct {
        struct cuda_memory *to;
        size_t bytes;
        const char *what;
    } all[] = {
        {&s->state, sequences * sizeof(struct session_state), "the sequences' states"}, {&s->history, sequences * cuda_session_pitch(s) * sizeof(uint32_t), "tokens"},
        {&s->keys, cached * m->head * element, "keys"}, {&s->values, cached * s->pitch * element, "values"}, {&s->key_scales, scales, "scales of keys"},
        {&s->value_scales, scales, "scales of values"}, {&s->x[0], rows * m->width * f, "hidden states"}, {&s->x[1], rows * m->width * f, "hidden states"},
        {&s->wide, rows * (s->share.heads + 2 * s->share.groups) * m->head * f, "queries"}, {&s->tall, rows * 2 * m->ffn * f, "gate and up"}, {&s->mixed, ranks * rows * mixed * f, "mixed activations"},
        {&s->own, ranks > 1 ? rows * (part > s->share.width ? part : s->share.width) * f : 0, "a card's part"},
        {&s->added, rows * m->width * f, "a layer's part"}, {&s->q8, rows * cuda_pack_quads(longest) * CUDA_QUAD, "int8 activations"}, {&s->sx, rows * f, "scales"},
        {&s->scores, scores_floats(s) * f, "scores"}, {&s->logits, sequences * m->vocabulary * f, "logits"},
    };
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < sizeof all / sizeof *all && !o; i++)
        if (all[i].bytes)
            o = cuda_take(s->device, all[i].bytes, all[i].what, all[i].to, fault);
    return o;
}

/* Where the chosen sequence stands, and that nothing was found yet. */
static enum cuda_outcome set_position(struct cuda_session *s, size_t position, struct cuda_fault *fault)
{
    const struct session_state state = {.position = (int)position};
    return cuda_upload(s->device, s->state.at + s->chosen * sizeof state, &state, sizeof state, "the sequence's position", fault);
}

static enum cuda_outcome set_positions(struct cuda_session *s, size_t position, struct cuda_fault *fault)
{
    struct session_state states[CUDA_SEQUENCES_MOST] = {0};
    for (size_t i = 0; i < s->spec.sequences; i++)
        states[i].position = (int)position;
    return cuda_upload(s->device, s->state.at, states, s->spec.sequences * sizeof *states, "the sequences' positions", fault);
}

/* Token `at` of the chosen sequence. */
static uint64_t token_at(const struct cuda_session *s, size_t at)
{
    return s->history.at + (s->chosen * cuda_session_pitch(s) + at) * sizeof(uint32_t);
}

/* Memory that kernels may read before anything was written there holds numbers. */
static enum cuda_outcome clear(struct cuda_session *s, struct cuda_fault *fault)
{
    const struct cuda_memory *const all[] = {&s->history, &s->keys, &s->values, &s->key_scales, &s->value_scales, &s->q8};
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < sizeof all / sizeof *all && !o; i++)
        o = cuda_fill(s->device, all[i], 0, "clearing a session", fault);
    return o;
}

static enum cuda_outcome record_step(void *state, unsigned i, struct cuda_fault *fault)
{
    struct cuda_session *s = state;
    (void)i;
    return cuda_pass_start(s, &(struct cuda_pass){.rows = 1, .layers = s->model->spec.layers, .has_head = true, .keeps_best = true, .advance = 1}, fault);
}

static enum cuda_outcome record_step_of_all(void *state, unsigned i, struct cuda_fault *fault)
{
    struct cuda_session *s = state;
    (void)i;
    return cuda_pass_start(s, &(struct cuda_pass){.rows = s->spec.sequences, .layers = s->model->spec.layers, .is_of_all = true, .has_head = true, .keeps_best = true, .advance = 1}, fault);
}

/* A graph, unless layers come from the host meanwhile. */
static enum cuda_outcome open_loop(struct cuda_session *s, cuda_record_fn *record, struct cuda_loop *loop, struct cuda_fault *fault)
{
    return cuda_model_is_whole(s->model) ? cuda_loop_open(s->device, 0, record, s, loop, fault) : cuda_loop_open_plain(s->device, record, s, loop, fault);
}

static enum cuda_outcome open_all(struct cuda_session *s, struct cuda_fault *fault)
{
    const struct cuda_model_spec *m = &s->model->spec;
    size_t rows = 1;
    enum cuda_outcome o;
    s->spec.sequences = s->spec.sequences ? s->spec.sequences : 1;
    while (rows < s->spec.rows || rows < s->spec.sequences)
        rows *= 2;
    s->share = cuda_model_share(m);
    s->positions = up(s->spec.context, KEY_PANEL);
    s->pitch = up(m->head, 16);
    if (!s->spec.context || s->spec.context > m->context || !s->spec.rows || rows >= (size_t)1 << CUDA_SIZES || s->spec.sequences > CUDA_SEQUENCES_MOST || s->spec.cache >= CUDA_CACHES || cuda_pass_token_bytes(s) > s->device->info.shared_bytes)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "a session of %zu positions, %zu rows and %zu sequences: the model has %zu positions, and their sums must fit in shared memory",
                         s->spec.context, s->spec.rows, s->spec.sequences, m->context);
    s->spec.rows = rows;
    if ((o = take_buffers(s, fault)) || (o = clear(s, fault)) || (o = set_positions(s, 0, fault)) || (o = cuda_pass_open(s, fault)) || (o = cuda_step_open(s, fault)) || (o = cuda_pass_choose(s, 1, fault)))
        return o;
    if (s->spec.sequences > 1 && ((o = cuda_pass_choose(s, s->spec.sequences, fault)) || (o = open_loop(s, record_step_of_all, &s->step_of_all, fault))))
        return o;
    return m->ranks > 1 || s->spec.sequences > 1 ? CUDA_OUTCOME_ok : open_loop(s, record_step, &s->step, fault); /* a card among several is driven from without */
}

enum cuda_outcome cuda_session_bind(struct cuda_model *model, const struct cuda_session_spec *spec, struct cuda_session **out, struct cuda_fault *fault)
{
    struct cuda_session *s = calloc(1, sizeof *s);
    if (!s)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a session's state");
    s->device = model->device;
    s->model = model;
    s->spec = *spec;
    enum cuda_outcome o = open_all(s, fault);
    if (o)
        cuda_session_close(s);
    else
        *out = s;
    return o;
}

void cuda_session_close(struct cuda_session *s)
{
    if (!s)
        return;
    struct cuda_memory *const all[] = {&s->state, &s->history, &s->keys, &s->values, &s->key_scales, &s->value_scales, &s->x[0], &s->x[1], &s->wide, &s->tall, &s->mixed, &s->added, &s->own,
                                       &s->q8, &s->sx, &s->scores, &s->logits};
    cuda_loop_close(&s->step);
    cuda_loop_close(&s->step_of_all);
    cuda_loop_close(&s->rehearsal);
    cuda_step_close(s);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda_give(s->device, all[i]);
    free(s);
}

/* ---- feed, generate */

enum cuda_outcome cuda_session_check(const struct cuda_session *s, const uint32_t *tokens, size_t n, struct cuda_fault *fault)
{
    if (n > s->spec.context - s->length)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "%zu tokens after %zu; the context has %zu positions", n, s->length, s->spec.context);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] >= s->model->spec.vocabulary)
            return cuda_fail(fault, CUDA_OUTCOME_mismatch, "token %zu is %u; the vocabulary has %zu", i, (unsigned)tokens[i], s->model->spec.vocabulary);
    return CUDA_OUTCOME_ok;
}

/* The logits of each row of the pass just launched. */
static enum cuda_outcome fetch_every(struct cuda_session *s, size_t rows, float *logits, struct cuda_fault *fault)
{
    size_t n = s->model->spec.vocabulary;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t r = 0; r < rows && !o; r++)
        if (!(o = cuda_pass_head(s, rows, r, fault)))
            o = cuda_fetch(s->device, logits + r * n, s->logits.at, n * sizeof *logits, "fetching logits", fault);
    return o;
}

/* Tokens at positions [at, at + rows) through the model. */
static enum cuda_outcome feed_piece(struct cuda_session *s, const uint32_t *tokens, size_t at, size_t rows, float *every, bool is_last, struct cuda_fault *fault)
{
    struct cuda_pass pass = {.rows = rows, .layers = s->model->spec.layers, .has_head = true, .keeps_best = is_last, .advance = rows};
    enum cuda_outcome o;
    if ((o = cuda_upload(s->device, token_at(s, at), tokens, rows * sizeof *tokens, "tokens", fault)) || (o = cuda_pass_choose(s, rows, fault)) ||
        (o = cuda_pass_start(s, &pass, fault)))
        return o;
    return every ? fetch_every(s, rows, every, fault) : CUDA_OUTCOME_ok;
}

enum cuda_outcome cuda_session_feed(struct cuda_session *s, const uint32_t *tokens, size_t n, bool every, float *logits, struct cuda_fault *fault)
{
    size_t vocabulary = s->model->spec.vocabulary;
    enum cuda_outcome o = cuda_session_check(s, tokens, n, fault);
    if (o || !n)
        return o;
    for (size_t at = 0, rows; at < n && !o; at += rows) {
        rows = n - at < s->spec.rows ? n - at : s->spec.rows;
        o = feed_piece(s, tokens + at, s->length + at, rows, every && logits ? logits + at * vocabulary : NULL, at + rows == n, fault);
    }
    if (!o)
        o = logits && !every ? cuda_fetch(s->device, logits, s->logits.at, vocabulary * sizeof *logits, "fetching logits", fault) : cuda_finish(s->device, 60, fault);
    if (o)
        set_position(s, s->length, NULL); /* nothing was fed */
    else
        s->length += n;
    return o;
}

enum cuda_outcome cuda_session_generate(struct cuda_session *s, size_t n, uint32_t *out, double *ns, float *logits, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    double total = 0, one;
    if (s->spec.sequences > 1)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "%zu sequences generate together", s->spec.sequences);
    if (!s->length || !n || n - 1 > s->spec.context - s->length)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "%zu tokens after %zu fed; the context has %zu positions", n, s->length, s->spec.context);
    for (size_t left = n - 1, some; left && !o; left -= some) {
        some = left < STEPS_AT_ONCE ? left : STEPS_AT_ONCE;
        if (!(o = cuda_loop_run(&s->step, some, &one, fault)))
            total += one;
    }
    if (!o)
        o = cuda_fetch(s->device, out, token_at(s, s->length), n * sizeof *out, "fetching tokens", fault);
    if (!o && logits)
        o = cuda_fetch(s->device, logits, s->logits.at, s->model->spec.vocabulary * sizeof *logits, "fetching logits", fault);
    if (o)
        return o;
    s->length += n - 1;
    if (ns)
        *ns = total;
    return o;
}

/* Whether n tokens can follow in every sequence. */
static enum cuda_outcome check_all(struct cuda_session *s, size_t n, struct cuda_fault *fault)
{
    s->lengths[s->chosen] = s->length;
    for (size_t i = 0; i < s->spec.sequences; i++)
        if (!s->lengths[i] || !n || n - 1 > s->spec.context - s->lengths[i])
            return cuda_fail(fault, CUDA_OUTCOME_mismatch, "%zu tokens after %zu fed of sequence %zu; the context has %zu positions", n, s->lengths[i], i, s->spec.context);
    return CUDA_OUTCOME_ok;
}

enum cuda_outcome cuda_session_generate_all(struct cuda_session *s, size_t n, uint32_t *out, double *ns, struct cuda_fault *fault)
{
    enum cuda_outcome o = s->spec.sequences > 1 ? check_all(s, n, fault) : CUDA_OUTCOME_ok;
    double one = 0;
    if (s->spec.sequences == 1)
        return cuda_session_generate(s, n, out, ns, NULL, fault);
    if (!o)
        o = cuda_loop_run(&s->step_of_all, n - 1, &one, fault);
    for (size_t i = 0; i < s->spec.sequences && !o; i++)
        if (!(o = cuda_session_choose(s, i, fault)) && !(o = cuda_fetch(s->device, out + i * n, token_at(s, s->length), n * sizeof *out, "fetching tokens", fault)))
            s->length += n - 1;
    if (!o && ns)
        *ns = one;
    return o;
}

enum cuda_outcome cuda_session_choose(struct cuda_session *s, size_t i, struct cuda_fault *fault)
{
    if (i >= s->spec.sequences)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "sequence %zu of %zu", i, s->spec.sequences);
    s->lengths[s->chosen] = s->length;
    s->length = s->lengths[i];
    s->chosen = i;
    return CUDA_OUTCOME_ok;
}

enum cuda_outcome cuda_session_stand(struct cuda_session *s, size_t length, struct cuda_fault *fault)
{
    enum cuda_outcome o = set_position(s, length, fault);
    if (!o)
        s->length = length;
    return o;
}

enum cuda_outcome cuda_session_rewind(struct cuda_session *s, size_t length, struct cuda_fault *fault)
{
    return length < s->length ? cuda_session_stand(s, length, fault) : CUDA_OUTCOME_ok;
}

size_t cuda_session_length(const struct cuda_session *s)
{
    return s->length;
}

/* ---- measuring */

static enum cuda_outcome fill_random(struct cuda_session *s, const struct cuda_memory *m, const char *kernel, struct cuda_fault *fault)
{
    void *function;
    uint64_t at = m->at;
    size_t words = m->bytes / 4;
    unsigned seed = (unsigned)(m == &s->keys) + 3;
    struct fill_args a = {(unsigned *)(uintptr_t)at, words, seed};
    void *arguments[] = {&a};
    enum cuda_outcome o = cuda_kernel(s->device, kernel, 0, &function, fault);
    return o ? o : cuda_start(s->device, function, (struct cuda_grid){1024, 1, 256, 0}, arguments, fault);
}

static enum cuda_outcome fill_cache(struct cuda_session *s, struct cuda_fault *fault)
{
    const char *kernel = caches[s->spec.cache].fill;
    unsigned scale = 0x3c000000; /* 1/128 */
    enum cuda_outcome o;
    if ((o = fill_random(s, &s->keys, kernel, fault)) || (o = fill_random(s, &s->values, kernel, fault)) || (o = cuda_finish(s->device, 60, fault)) || s->spec.cache != CUDA_CACHE_i8)
        return o;
    o = cuda_fill(s->device, &s->key_scales, scale, "scales", fault);
    return o ? o : cuda_fill(s->device, &s->value_scales, scale, "scales", fault);
}

/* A pass that goes on by no position. */
static enum cuda_outcome record_rehearsal(void *state, unsigned i, struct cuda_fault *fault)
{
    struct cuda_session *s = state;
    (void)i;
    return cuda_pass_start(s, &(struct cuda_pass){.rows = s->rehearsed, .layers = s->model->spec.layers, .is_of_all = s->spec.sequences > 1, .has_head = true, .keeps_best = true}, fault);
}

/* The tokens of a rehearsal: n in a row, or one of each sequence. */
static enum cuda_outcome place_tokens(struct cuda_session *s, size_t before, size_t n, struct cuda_fault *fault)
{
    size_t apart = s->spec.sequences > 1 ? cuda_session_pitch(s) : 1;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < n && !o; i++) {
        uint32_t token = (uint32_t)((11 + 37 * i) % s->model->spec.vocabulary);
        o = cuda_upload(s->device, s->history.at + (before + i * apart) * sizeof token, &token, sizeof token, "tokens", fault);
    }
    return o;
}

enum cuda_outcome cuda_session_rehearse(struct cuda_session *s, size_t before, size_t n, struct cuda_fault *fault)
{
    size_t rows = s->spec.sequences > 1 ? s->spec.sequences : n, positions = s->spec.sequences > 1 ? 1 : n;
    enum cuda_outcome o;
    if (!rows || rows > s->spec.rows || before > s->spec.context || positions > s->spec.context - before)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "passes of %zu rows after %zu positions; there are %zu rows and %zu positions", rows, before, s->spec.rows, s->spec.context);
    cuda_loop_close(&s->rehearsal);
    if (!(o = cuda_session_choose(s, 0, fault)) && !(o = fill_cache(s, fault)) && !(o = set_positions(s, before, fault)) && !(o = place_tokens(s, before, rows, fault)))
        o = cuda_pass_choose(s, rows, fault);
    for (size_t i = 0; i < s->spec.sequences; i++)
        s->lengths[i] = before;
    s->length = before;
    s->rehearsed = rows;
    return o ? o : open_loop(s, record_rehearsal, &s->rehearsal, fault);
}

enum cuda_outcome cuda_session_repeat(struct cuda_session *s, uint64_t n, double *ns, struct cuda_fault *fault)
{
    return cuda_loop_run(&s->rehearsal, n, ns, fault);
}

/* What a sequence has of the first layer. */
static enum cuda_outcome fetch(struct cuda_session *s, size_t sequence, void *to, const struct cuda_memory *from, struct cuda_fault *fault)
{
    size_t bytes = from->bytes / s->model->spec.layers / s->spec.sequences;
    return to && bytes ? cuda_fetch(s->device, to, from->at + sequence * bytes, bytes, "fetching a cache", fault) : CUDA_OUTCOME_ok;
}

enum cuda_outcome cuda_session_look(struct cuda_session *s, const struct cuda_session_view *v, struct cuda_fault *fault)
{
    size_t vocabulary = s->model->spec.vocabulary, layers = s->model->spec.layers;
    bool is_of_all = s->spec.sequences > 1;
    struct cuda_pass pass = {.rows = v->rows < s->rehearsed && !is_of_all ? v->rows : s->rehearsed, .size = s->rehearsed, .layers = v->layers < layers ? v->layers : layers, .is_of_all = is_of_all,
                             .has_head = true};
    enum cuda_outcome o;
    if ((o = fetch(s, v->sequence, v->keys, &s->keys, fault)) || (o = fetch(s, v->sequence, v->values, &s->values, fault)) ||
        (o = fetch(s, v->sequence, v->key_scales, &s->key_scales, fault)) || (o = fetch(s, v->sequence, v->value_scales, &s->value_scales, fault)) || !v->logits)
        return o;
    if ((o = cuda_fill(s->device, &s->logits, 0xFFFFFFFFu, "clearing logits", fault)) || (o = cuda_pass_start(s, &pass, fault)))
        return o;
    return cuda_fetch(s->device, v->logits, s->logits.at + v->sequence * vocabulary * sizeof *v->logits, vocabulary * sizeof *v->logits, "fetching logits", fault);
}

/* ---- marks */

static enum cuda_outcome record_marked(void *state, unsigned i, struct cuda_fault *fault)
{
    struct cuda_session *s = state;
    s->n_marked = 0;
    return record_rehearsal(state, i, fault);
}

static double after(uint64_t at, uint64_t first)
{
    return at ? (double)(at - first) : 0;
}

enum cuda_outcome cuda_session_marks(struct cuda_session *s, struct cuda_mark *out, size_t most, size_t *n, struct cuda_fault *fault)
{
    size_t bytes = most * MARKS * sizeof(uint64_t);
    uint64_t *at = calloc(1, bytes ? bytes : 1);
    struct cuda_loop loop = {0};
    double ns;
    enum cuda_outcome o = at ? cuda_take(s->device, bytes, "marks", &s->marks, fault) : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for marks");
    s->marked = out;
    s->most_marked = most;
    if (!o && !(o = cuda_fill(s->device, &s->marks, 0, "clearing marks", fault)) && !(o = open_loop(s, record_marked, &loop, fault)))
        o = cuda_loop_run(&loop, 2, &ns, fault); /* the second finds what the first left in the caches */
    if (!o)
        o = cuda_fetch(s->device, at, s->marks.at, bytes, "fetching marks", fault);
    *n = o ? 0 : s->n_marked;
    for (size_t i = 0; i < *n; i++) {
        out[i].begin_ns = after(at[i * MARKS + MARK_BEGIN], at[MARK_BEGIN]);
        out[i].ready_ns = after(at[i * MARKS + MARK_READY], at[MARK_BEGIN]);
        out[i].norm_ns = after(at[i * MARKS + MARK_NORM], at[MARK_BEGIN]);
        out[i].end_ns = after(at[i * MARKS + MARK_END], at[MARK_BEGIN]);
    }
    s->marked = NULL;
    cuda_loop_close(&loop);
    cuda_give(s->device, &s->marks);
    free(at);
    return o;
}

size_t cuda_session_positions(const struct cuda_session *s)
{
    return s->positions;
}

void cuda_session_why(const struct cuda_session *s, size_t n, char *text, size_t size)
{
    const struct cuda_size *chosen = cuda_pass_size((struct cuda_session *)(uintptr_t)s, n);
    size_t at = 0;
    text[0] = 0;
    if (n == 1 && s->one.function)
        at += (size_t)snprintf(text, size, "step_%s, %u blocks", cuda_cache_name(s->spec.cache), s->one.blocks);
    for (size_t i = 0; i < CUDA_MATRICES && at < size && chosen->is_chosen; i++) {
        const struct cuda_product *p = &chosen->products[i];
        at += (size_t)snprintf(text + at, size - at, "%s%s %u blocks %d stages of %d", i ? "; " : "", p->choice.row->name,
                               p->choice.grid.x * p->choice.grid.y, p->choice.stages, p->choice.units);
    }
}

double cuda_session_cache_bytes(const struct cuda_session *s, size_t before)
{
    const struct cuda_model_spec *m = &s->model->spec;
    return (double)(s->spec.sequences * m->layers * m->groups * before) * ((double)(2 * m->head * cuda_cache_bytes(s->spec.cache)) + (s->spec.cache == CUDA_CACHE_i8 ? 8 : 0));
}
