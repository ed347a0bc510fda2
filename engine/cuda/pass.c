/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/pass.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"

#include <stdio.h>
#include <string.h>

enum { LAYERS_TIMED = 4, TRIALS = 4, PASSES_A_TRIAL = 2 }; /* layers enough that their weights do not stay in the second cache */

static void *address(uint64_t at)
{
    return (void *)(uintptr_t)at;
}

/* The marks of the next launch, when a pass is marked. */
static uint64_t *marks_of(struct cuda_session *s, const char *name, size_t layer)
{
    if (!s->marked || s->n_marked == s->most_marked)
        return NULL;
    s->marked[s->n_marked] = (struct cuda_mark){.name = name, .layer = (int)layer};
    return address(s->marks.at + s->n_marked++ * MARKS * sizeof(uint64_t));
}

/* The marks of a step's stages, side by side: of all or of none. */
uint64_t *cuda_pass_step_marks(struct cuda_session *s, size_t layers)
{
    static const char *const names[STEP_STAGES] = {"q, k, v", "attention", "attention output", "gate, up", "down"};
    uint64_t *first = NULL;
    if (!s->marked || s->most_marked - s->n_marked < layers * STEP_STAGES)
        return NULL;
    for (size_t i = 0; i < layers * STEP_STAGES; i++) {
        uint64_t *marks = marks_of(s, names[i % STEP_STAGES], i / STEP_STAGES);
        first = i ? first : marks;
    }
    return first;
}

/* A norm of n floats: what it reads, in parts of so many floats, rows so many apart; from which row; where its residual goes. */
struct norm {
    enum norm_kind kind;
    uint64_t w, x, added, kept;
    size_t n, part, row_floats, rows, row; /* rows: of the pass */
};

/* The chosen sequence's, or of all. */
static uint64_t state_of(const struct cuda_session *s, bool is_of_all)
{
    return s->state.at + (is_of_all ? 0 : s->chosen) * sizeof(struct session_state);
}

static uint64_t history_of(const struct cuda_session *s, bool is_of_all)
{
    return s->history.at + (is_of_all ? 0 : s->chosen) * cuda_session_pitch(s) * sizeof(uint32_t);
}

static struct norm_args norm_arguments(const struct cuda_session *s, const struct norm *norm)
{
    size_t from = norm->row * norm->row_floats * sizeof(float), whole = norm->row * norm->n * sizeof(float);
    return (struct norm_args){
        .x = address(norm->x + (norm->kind == NORM_RESIDUAL ? whole : from)), .added = address(norm->added + from), .w = address(norm->w), .kept = address(norm->kept + whole),
        .between = (int)(norm->rows * norm->row_floats - norm->part), .per_card = norm_per_card((unsigned)norm->part), .ldx = (int)norm->row_floats,
        .q = address(s->q8.at), .scale = address(s->sx.at), .eps = s->model->spec.eps, .kind = (int)norm->kind, .n = (int)norm->n, .ldq = (int)(cuda_pack_quads(norm->n) * CUDA_QUAD),
    };
}

struct embed_args cuda_pass_embedding(const struct cuda_session *s, bool is_of_all)
{
    const struct cuda_model *m = s->model;
    return (struct embed_args){.table = address(m->table.at), .rows = address(m->rows.at), .scales = address(m->row_scales.at), .history = address(history_of(s, is_of_all)),
                               .history_pitch = is_of_all ? (int)cuda_session_pitch(s) : 0, .state = address(state_of(s, is_of_all)), .n = (int)m->spec.width};
}

static enum cuda_outcome start_embedding(struct cuda_session *s, const struct cuda_pass *pass, uint64_t x, struct cuda_fault *fault)
{
    struct embed_args a = cuda_pass_embedding(s, pass->is_of_all);
    void *arguments[] = {&a};
    a.x = address(x);
    return cuda_start(s->device, s->kernels[PASS_embed], (struct cuda_grid){(unsigned)pass->rows, 1, NORM_THREADS, 0}, arguments, fault);
}

static enum cuda_outcome start_norm(struct cuda_session *s, const struct norm_args *a, size_t rows, struct cuda_fault *fault)
{
    void *arguments[] = {(void *)(uintptr_t)a};
    return cuda_start(s->device, s->kernels[PASS_norm], (struct cuda_grid){(unsigned)rows, 1, NORM_THREADS, 0}, arguments, fault);
}

/* y = W q(norm) */
static enum cuda_outcome start_product(struct cuda_session *s, const struct cuda_pass *pass, const struct norm *norm, enum cuda_matrix which, size_t layer, uint64_t y,
                                       struct cuda_fault *fault)
{
    const struct cuda_product *p = &cuda_pass_size(s, pass->size ? pass->size : pass->rows)->products[which];
    const enum cuda_family family = p->choice.row->family;
    struct cuda_operands operands = {.w = cuda_model_matrix(s->model, layer, which), .x8 = s->q8.at, .sx = s->sx.at, .y = y, .scale = s->model->scales[layer][which],
                                           .batch = pass->rows};
    static const char *const names[CUDA_MATRICES] = {"q, k, v", "attention output", "gate, up", "down"};
    struct norm_args a = norm_arguments(s, norm);
    a.marks = marks_of(s, "norm", layer);
    enum cuda_outcome o = start_norm(s, &a, pass->rows, fault);
    if (family == CUDA_STREAM || family == CUDA_HELD || family == CUDA_RING)
        operands.marks = (uint64_t)(uintptr_t)marks_of(s, names[which], layer);
    return o ? o : cuda_product_start(s->device, p, &operands, fault);
}

/* ---- attention */

/* Where the cache of a layer begins in memory that all layers share: that of all sequences, or of the chosen one. */
static void *cache_of(const struct cuda_session *s, const struct cuda_memory *memory, size_t layer, bool is_of_all)
{
    size_t bytes = memory->bytes / s->model->spec.layers;
    return address(memory->at + layer * bytes + (is_of_all ? 0 : s->chosen) * (bytes / s->spec.sequences));
}

struct cache_layer cuda_pass_cache(const struct cuda_session *s, size_t layer, bool is_of_all)
{
    return (struct cache_layer){
        .keys = cache_of(s, &s->keys, layer, is_of_all), .values = cache_of(s, &s->values, layer, is_of_all), .key_scales = cache_of(s, &s->key_scales, layer, is_of_all),
        .value_scales = cache_of(s, &s->value_scales, layer, is_of_all), .positions = (int)s->positions, .groups = (int)s->share.groups, .heads = (int)s->share.heads,
        .d = (int)s->model->spec.head, .pitch = (int)s->pitch};
}

static struct token_layout token_layout(const struct cuda_session *s)
{
    return token_layout_of((int)s->positions, (int)(s->share.heads / s->share.groups), (int)s->model->spec.head, (int)s->pitch, (int)cuda_cache_bytes(s->spec.cache),
                           token_ranks(s->device->info.major));
}

size_t cuda_pass_token_bytes(const struct cuda_session *s)
{
    return (size_t)token_layout(s).bytes;
}

static struct attend_args attend_arguments(const struct cuda_session *s, size_t layer, size_t rows, bool is_of_all)
{
    const struct cuda_stage_result result = cuda_pass_result(s, rows, CUDA_STAGE_attention);
    return (struct attend_args){
        .cache = cuda_pass_cache(s, layer, is_of_all),
        .qkv = address(s->wide.at), .cosine = address(s->model->cosine.at), .sine = address(s->model->sine.at), .scores = address(s->scores.at), .out = address(result.own),
        .state = address(state_of(s, is_of_all)), .tokens = (int)rows, .ldo = (int)s->share.mixed, .at = token_layout(s),
    };
}

static unsigned attend_bytes(void)
{
    return (HEAD_MOST * ATTEND_ROWS + HEAD_MOST * KEY_PANEL + KEY_PANEL * ATTEND_ROWS + (4 + 16 + 1) * ATTEND_ROWS) * sizeof(float);
}

static enum cuda_outcome start_attention(struct cuda_session *s, size_t layer, const struct cuda_pass *pass, struct cuda_fault *fault)
{
    size_t rows = pass->rows, sequences = pass->is_of_all ? rows : 1;
    bool is_step = rows == sequences; /* one row a sequence */
    int ranks = token_ranks(s->device->info.major);
    struct attend_args a = attend_arguments(s, layer, rows, pass->is_of_all);
    void *arguments[] = {&a};
    unsigned heads = (unsigned)s->share.heads, groups = (unsigned)s->share.groups, most = ATTEND_ROWS / (heads / groups), blocks = ((unsigned)rows + most - 1) / most;
    enum cuda_outcome o;
    a.marks = marks_of(s, is_step ? "attention" : "rotate, cache", layer);
    if (is_step)
        return cuda_start(s->device, s->kernels[PASS_token], (struct cuda_grid){(unsigned)ranks * groups * (unsigned)sequences, 1, TOKEN_THREADS, (unsigned)cuda_pass_token_bytes(s)}, arguments, fault);
    o = cuda_start(s->device, s->kernels[PASS_remember], (struct cuda_grid){(unsigned)rows, 1, REMEMBER_THREADS, 0}, arguments, fault);
    a.marks = marks_of(s, "attention", layer);
    return o ? o : cuda_start(s->device, s->kernels[PASS_attend], (struct cuda_grid){blocks, groups, ATTEND_THREADS, attend_bytes()}, arguments, fault);
}

/* ---- a pass */

struct cuda_stage_result cuda_pass_result(const struct cuda_session *s, size_t rows, enum cuda_stage stage)
{
    const struct {
        uint64_t all;
        size_t floats; /* of a row */
    } results[CUDA_STAGES] = {{s->mixed.at, s->share.mixed}, {s->added.at, s->share.width}, {s->tall.at, 2 * s->share.ffn}, {s->added.at, s->share.width}};
    return (struct cuda_stage_result){s->own.at ? s->own.at : results[stage].all, results[stage].all, rows * results[stage].floats};
}

enum cuda_outcome cuda_pass_stage(struct cuda_session *s, const struct cuda_pass *pass, size_t layer, enum cuda_stage stage, struct cuda_fault *fault)
{
    const struct cuda_model_spec *m = &s->model->spec;
    uint64_t x = s->x[0].at, between = s->x[1].at, added = s->added.at, tall = s->tall.at, result = cuda_pass_result(s, pass->rows, stage).own;
    const struct norm norms[CUDA_STAGES] = {
        layer ? (struct norm){NORM_RESIDUAL, cuda_model_norm(s->model, layer, CUDA_NORM_attention), x, added, between, m->width, s->share.width, s->share.width, pass->rows, 0}
              : (struct norm){NORM_PLAIN, cuda_model_norm(s->model, 0, CUDA_NORM_attention), between, 0, 0, m->width, m->width, m->width, pass->rows, 0},
        {NORM_PLAIN, cuda_model_norm(s->model, layer, CUDA_NORM_sub), s->mixed.at, 0, 0, m->width, s->share.mixed, s->share.mixed, pass->rows, 0},
        {NORM_RESIDUAL, cuda_model_norm(s->model, layer, CUDA_NORM_ffn), between, added, x, m->width, s->share.width, s->share.width, pass->rows, 0},
        {NORM_GATE, cuda_model_norm(s->model, layer, CUDA_NORM_ffn_sub), tall, tall + s->share.ffn * sizeof(float), 0, m->ffn, s->share.ffn, 2 * s->share.ffn, pass->rows, 0},
    };
    enum cuda_outcome o = layer || stage != CUDA_STAGE_attention ? CUDA_OUTCOME_ok : start_embedding(s, pass, between, fault);
    if (!o)
        o = start_product(s, pass, &norms[stage], (enum cuda_matrix)stage, layer, stage == CUDA_STAGE_attention ? s->wide.at : result, fault);
    return o || stage != CUDA_STAGE_attention ? o : start_attention(s, layer, pass, fault);
}

static enum cuda_outcome start_layer(struct cuda_session *s, const struct cuda_pass *pass, size_t layer, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t stage = 0; stage < CUDA_STAGES && !o; stage++)
        o = cuda_pass_stage(s, pass, layer, (enum cuda_stage)stage, fault);
    return o;
}

/* Launches the logits of `rows` rows whose norms were launched. */
static enum cuda_outcome start_head(struct cuda_session *s, size_t rows, const struct norm_args *norm, uint64_t state, struct cuda_fault *fault)
{
    const struct cuda_model *m = s->model;
    bool is_one = rows == 1;
    struct head_args head = {.rows = address(m->rows.at), .q = norm->q, .scales = address(m->row_scales.at), .scale = norm->scale, .logits = address(s->logits.at), .state = address(state),
                             .width = (int)m->spec.width, .vocabulary = (int)m->spec.vocabulary, .sequences = (int)rows, .ldq = norm->ldq, .marks = marks_of(s, "output", m->spec.layers)};
    unsigned at_once = is_one ? 1 : HEADS_AT_ONCE;
    void *arguments[] = {&head};
    return cuda_start(s->device, s->kernels[is_one ? PASS_head : PASS_heads],
                      (struct cuda_grid){4 * (unsigned)s->device->info.multiprocessors, ((unsigned)rows + at_once - 1) / at_once, LOGITS_THREADS, at_once * (unsigned)m->spec.width}, arguments, fault);
}

/* The logits of `n` rows from `row` on. */
static enum cuda_outcome start_logits(struct cuda_session *s, const struct cuda_pass *pass, size_t row, size_t n, struct cuda_fault *fault)
{
    const struct cuda_model *m = s->model;
    const struct norm last = {NORM_RESIDUAL, cuda_model_norm(m, 0, CUDA_NORM_last), s->x[0].at, s->added.at, s->x[1].at, m->spec.width, s->share.width, s->share.width, pass->rows, row};
    struct norm_args a = norm_arguments(s, &last);
    a.marks = marks_of(s, "output norm", m->spec.layers);
    enum cuda_outcome o = start_norm(s, &a, n, fault);
    return o ? o : start_head(s, n, &a, pass->keeps_best ? state_of(s, pass->is_of_all) : 0, fault);
}

enum cuda_outcome cuda_pass_head(struct cuda_session *s, size_t rows, size_t row, struct cuda_fault *fault)
{
    return start_logits(s, &(struct cuda_pass){.rows = rows}, row, 1, fault);
}

enum cuda_outcome cuda_pass_start(struct cuda_session *s, const struct cuda_pass *pass, struct cuda_fault *fault)
{
    bool is_one_launch = s->one.function && pass->layers && (pass->size ? pass->size : pass->rows) == 1;
    enum cuda_outcome o = is_one_launch ? cuda_step_start(s, pass->layers, fault) : CUDA_OUTCOME_ok;
    for (size_t layer = 0; !is_one_launch && layer < pass->layers && !o; layer++)
        if (!(o = cuda_model_begin_layer(s->model, layer, fault)) && !(o = start_layer(s, pass, layer, fault)))
            o = cuda_model_end_layer(s->model, layer, fault);
    return o ? o : cuda_pass_end(s, pass, fault);
}

enum cuda_outcome cuda_pass_end(struct cuda_session *s, const struct cuda_pass *pass, struct cuda_fault *fault)
{
    size_t sequences = pass->is_of_all ? pass->rows : 1;
    enum cuda_outcome o = pass->has_head ? start_logits(s, pass, pass->rows - sequences, sequences, fault) : CUDA_OUTCOME_ok;
    if (o || !pass->has_head)
        return o;
    struct advance_args a = {address(state_of(s, pass->is_of_all)), address(history_of(s, pass->is_of_all)), (int)pass->advance, pass->keeps_best, (int)sequences, (int)cuda_session_pitch(s)};
    void *arguments[] = {&a};
    return cuda_start(s->device, s->kernels[PASS_advance], (struct cuda_grid){1, 1, 32, 0}, arguments, fault);
}

enum cuda_outcome cuda_pass_open(struct cuda_session *s, struct cuda_fault *fault)
{
    const char *cache = cuda_cache_name(s->spec.cache);
    char remember[32], token[32], attend[32];
    const struct {
        const char *name;
        size_t shared_bytes;
    } rows[PASS_KERNELS] = {
        [PASS_embed] = {"embed_f32", 0}, [PASS_norm] = {"norm_f32_i8", 0}, [PASS_remember] = {remember, 0}, [PASS_token] = {token, cuda_pass_token_bytes(s)},
        [PASS_attend] = {attend, attend_bytes()}, [PASS_head] = {"head_i8", s->model->spec.width}, [PASS_heads] = {"heads_i8", HEADS_AT_ONCE * s->model->spec.width}, [PASS_advance] = {"next_position", 0},
    };
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    snprintf(remember, sizeof remember, "remember_%s", cache);
    snprintf(token, sizeof token, "token_%s", cache);
    snprintf(attend, sizeof attend, "attend_%s", cache);
    for (size_t i = 0; i < PASS_KERNELS && !o; i++)
        o = cuda_kernel(s->device, rows[i].name, rows[i].shared_bytes, &s->kernels[i], fault);
    return o;
}

/* ---- choosing */

struct cuda_size *cuda_pass_size(struct cuda_session *s, size_t rows)
{
    size_t i = 0;
    while (((size_t)1 << i) < rows)
        i++;
    return &s->sizes[i];
}

struct trial {
    struct cuda_session *session;
    size_t rows;
};

static enum cuda_outcome record_trial(void *state, unsigned i, struct cuda_fault *fault)
{
    const struct trial *t = state;
    struct cuda_session *s = t->session;
    size_t layers = s->model->resident < LAYERS_TIMED ? s->model->resident : LAYERS_TIMED;
    const struct cuda_pass pass = {.rows = t->rows, .is_of_all = t->rows > 1 && t->rows <= s->spec.sequences};
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    (void)i;
    for (size_t layer = 0; layer < layers && !o; layer++)
        o = start_layer(s, &pass, layer, fault);
    return o;
}

static enum cuda_outcome time_pass(struct cuda_session *s, size_t rows, double *ns, struct cuda_fault *fault)
{
    struct trial trial = {s, rows};
    struct cuda_loop loop = {0};
    double one = 0;
    enum cuda_outcome o = cuda_loop_open(s->device, 0, record_trial, &trial, &loop, fault);
    *ns = 1e30;
    for (int i = 0; i < TRIALS && !o; i++) {
        o = cuda_loop_run(&loop, PASSES_A_TRIAL, &one, fault);
        *ns = one < *ns ? one : *ns;
    }
    cuda_loop_close(&loop);
    return o;
}

/* The fastest launch of one matrix. */
static enum cuda_outcome choose(struct cuda_session *s, enum cuda_matrix which, const struct cuda_shape *shape, size_t rows, struct cuda_fault *fault)
{
    struct cuda_product *p = &cuda_pass_size(s, rows)->products[which];
    struct cuda_choice choices[CUDA_CHOICES];
    size_t n = cuda_choices(&s->device->info, shape, NULL, choices, CUDA_CHOICES), best = 0;
    double least = 1e30, ns = 0;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    if (s->device->is_checked)
        best = s->device->turn++ % n;
    for (size_t i = 0; i < n && !o && !s->device->is_checked; i++) {
        if (!(o = cuda_product_open(s->device, &choices[i], shape, p, fault)))
            o = time_pass(s, rows, &ns, fault);
        if (!o && ns < least) {
            least = ns;
            best = i;
        }
    }
    return o ? o : cuda_product_open(s->device, &choices[best], shape, p, fault);
}

enum cuda_outcome cuda_pass_choose(struct cuda_session *s, size_t rows, struct cuda_fault *fault)
{
    struct cuda_size *size = cuda_pass_size(s, rows);
    struct cuda_shape shapes[CUDA_MATRICES];
    size_t n, k;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    if (size->is_chosen || (rows == 1 && s->one.function))
        return o;
    for (size_t i = 0; i < CUDA_MATRICES && !o; i++) {
        struct cuda_choice first;
        cuda_model_shape(&s->model->spec, (enum cuda_matrix)i, &n, &k);
        shapes[i] = (struct cuda_shape){n, cuda_pack_tiles(n), cuda_pack_quads(k), (size_t)1 << (size - s->sizes)};
        if (!cuda_choices(&s->device->info, &shapes[i], NULL, &first, 1))
            return cuda_fail(fault, CUDA_OUTCOME_mismatch, "no kernel for %zu x %zu at %zu rows on this card", n, k, rows);
        o = cuda_product_open(s->device, &first, &shapes[i], &size->products[i], fault);
    }
    for (size_t i = 0; i < CUDA_MATRICES && !o; i++)
        o = choose(s, (enum cuda_matrix)i, &shapes[i], rows, fault);
    size->is_chosen = !o;
    return o;
}
