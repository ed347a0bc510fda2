/* SPDX-License-Identifier: Apache-2.0
 * gpu_multi: requests (a prompt, then tokens after it) on several cards, by a replica on each that pulls from one queue, or by all cards together on each
 * request (tensor parallelism). A run is one request for each card; tokens are the check: every way makes those of one card. */
#include "core/accelerator.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"
#include "model/gpu_seeded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_PROMPT = 43 };

struct multi {
    struct tern_accelerator on;
    struct tern_gpu_seeded seeded;
    struct cuda_session_spec sizes;
    size_t cards, members, tokens, steps;
    uint32_t *prompt, *made;
    struct cuda_device *devices[CUDA_CARDS_MOST]; /* of a split model; the first is the process's own */
    struct cuda_split *split;
    struct cuda_replicas *replicas;
    double before_busy[CUDA_CARDS_MOST], run_ns;
};

static const struct tern_op_param params[] = {
    {"model", "2b4t", "2b4t or tiny"}, {"way", "replicas", "replicas, each with requests of its own, or split, one model over all cards"}, {"cards", "2", "how many"}, {"each", "1", "replicas on a card"},
    {"tokens", "512", "of a request's prompt"}, {"steps", "32", "tokens made after it"}, {"seed", "1", "of weights and prompt"}, {NULL, NULL, NULL},
};

static enum tern_status read_params(struct tern_op *op, struct multi *s, bool *is_split, struct tern_error *error)
{
    static const char *const ways[] = {"replicas", "split", NULL};
    size_t model, way, each;
    uint64_t seed;
    enum tern_status status;
    if ((status = tern_op_choice(op, "model", tern_gpu_seeded_names, &model, error)) || (status = tern_op_choice(op, "way", ways, &way, error)) ||
        (status = tern_op_size(op, "cards", 1, CUDA_CARDS_MOST, &s->cards, error)) || (status = tern_op_size(op, "each", 1, CUDA_CARDS_MOST / s->cards, &each, error)) || (status = tern_op_size(op, "tokens", 1, 4096, &s->tokens, error)) ||
        (status = tern_op_size(op, "steps", 1, 4096, &s->steps, error)) || (status = tern_op_seed(op, "seed", &seed, error)) ||
        (status = tern_gpu_seeded_open(model, seed, &s->seeded, error)))
        return status;
    *is_split = way;
    s->members = way ? 1 : s->cards * each;
    s->sizes = (struct cuda_session_spec){.context = s->tokens + s->steps, .rows = s->tokens < 512 ? s->tokens : 512, .cache = CUDA_CACHE_f16};
    s->seeded.spec.context = s->sizes.context;
    s->prompt = tern_array_open(s->tokens, sizeof *s->prompt);
    s->made = tern_array_open((s->members + 1) * s->steps, sizeof *s->made);
    if (!s->prompt || !s->made)
        return tern_error_memory(error, "tokens", s->tokens * sizeof *s->prompt);
    uint64_t random = tern_random_start(seed, TAG_PROMPT, 0);
    for (size_t i = 0; i < s->tokens; i++)
        s->prompt[i] = (uint32_t)(tern_random_next(&random) % s->seeded.spec.vocabulary);
    return TERN_OK;
}

/* ---- runs */

static enum cuda_outcome serve_split(struct multi *s, uint64_t n, double *ns, struct cuda_fault *fault)
{
    const struct cuda_face *face = s->on.face;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    double one;
    for (; n && !o; n--) {
        if (!(o = face->split_rewind(s->split, 0, fault)) && !(o = face->split_feed(s->split, s->prompt, s->tokens, NULL, fault)))
            o = face->split_generate(s->split, s->steps, s->made, &one, fault);
    }
    *ns = 0; /* the caller's clock: gathers are no card's alone */
    return o;
}

static void run_multi(struct tern_op *op, uint64_t n)
{
    struct multi *s = op->state;
    struct cuda_fault fault;
    enum cuda_outcome o = s->split ? serve_split(s, n, &op->elapsed_ns, &fault)
                                   : s->on.face->replicas_serve(s->replicas, n * s->members, s->prompt, s->tokens, s->steps, s->made, &op->elapsed_ns, &fault);
    s->run_ns += op->elapsed_ns;
    if (o)
        op->elapsed_ns = -1;
}

static enum cuda_outcome open_split(struct multi *s, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    s->devices[0] = s->on.device;
    for (size_t i = 1; i < s->cards && !o; i++)
        o = s->on.face->open((int)i, NULL, &s->devices[i], fault);
    return o ? o : s->on.face->split_open(s->devices, s->cards, &s->seeded.spec, &s->sizes, &s->split, fault);
}

static enum tern_status bind_multi(struct tern_op *op, struct tern_error *error)
{
    struct multi *s = op->state = tern_array_open(1, sizeof *s);
    struct cuda_fault fault;
    bool is_split = false;
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    if ((status = read_params(op, s, &is_split, error)) || (status = tern_accelerator_open(&s->on, error)))
        return status;
    op->run_many = run_multi;
    size_t there = (size_t)s->on.face->info(s->on.device)->count;
    if (there < s->cards)
        return tern_error_set(error, TERN_UNSUPPORTED, "cuda: no_device: %zu cards were asked for, the driver sees %zu", s->cards, there);
    enum cuda_outcome o = is_split ? open_split(s, &fault) : s->on.face->replicas_open(s->members, s->cards, NULL, &s->seeded.spec, &s->sizes, &s->replicas, &fault);
    snprintf(op->why, sizeof op->why, "%zu cards, %s, %zu in all", s->cards, is_split ? "one model over them, gathered by NCCL" : "replicas", s->members);
    return tern_accelerator_fault(o, &fault, error);
}

/* ---- check */

/* What one card alone makes. */
static enum cuda_outcome make_alone(struct multi *s, uint32_t *made, struct cuda_fault *fault)
{
    const struct cuda_face *face = s->on.face;
    struct cuda_model *model = NULL;
    struct cuda_session *session = NULL;
    enum cuda_outcome o = face->use(s->on.device, fault);
    if (!o && !(o = face->model_open(s->on.device, &s->seeded.spec, &model, fault)) && !(o = face->session_bind(model, &s->sizes, &session, fault)) &&
        !(o = face->session_feed(session, s->prompt, s->tokens, false, NULL, fault)))
        o = face->session_generate(session, s->steps, made, NULL, NULL, fault);
    face->session_close(session);
    face->model_close(model);
    return o;
}

/* Shares of the time that cards were busy since the last check, behind what was said at bind. */
static void tell_busy(struct tern_op *op)
{
    struct multi *s = op->state;
    size_t at = strcspn(op->why, ";");
    for (size_t i = 0; i < s->members && s->replicas; i++) {
        struct cuda_replica_report r;
        s->on.face->replicas_report(s->replicas, i, &r);
        at += (size_t)snprintf(op->why + at, sizeof op->why - at, "; replica %zu: %llu requests, busy %.0f %%", i, (unsigned long long)r.requests,
                               s->run_ns > 0 ? 100 * (r.busy_ns - s->before_busy[i]) / s->run_ns : 0);
        s->before_busy[i] = r.busy_ns;
    }
    s->run_ns = 0;
}

static enum tern_status check_multi(struct tern_op *op, struct tern_error *error)
{
    struct multi *s = op->state;
    struct cuda_fault fault;
    double ns;
    uint32_t *alone = s->made + s->members * s->steps;
    if (s->run_ns > 0)
        tell_busy(op);
    enum cuda_outcome o = make_alone(s, alone, &fault);
    if (!o)
        o = s->split ? serve_split(s, 1, &ns, &fault) : s->on.face->replicas_serve(s->replicas, 4 * s->members, s->prompt, s->tokens, s->steps, s->made, &ns, &fault);
    if (o)
        return tern_accelerator_fault(o, &fault, error);
    for (size_t which = 0; which < s->members; which++) {
        struct cuda_replica_report r = {.requests = 1};
        if (s->replicas)
            s->on.face->replicas_report(s->replicas, which, &r);
        s->before_busy[which] = r.busy_ns; /* what the check itself asked for is no part of a run */
        for (size_t i = 0; i < s->steps && r.requests; i++) /* a slow card may have had no turn */
            if (s->made[which * s->steps + i] != alone[i])
                return tern_error_set(error, TERN_WRONG, "gpu_multi: token %zu of replica %zu is %u, on one card alone %u", i, which, (unsigned)s->made[which * s->steps + i], (unsigned)alone[i]);
    }
    return TERN_OK;
}

static void work_multi(const struct tern_op *op, struct tern_work *work)
{
    const struct multi *s = op->state;
    work->items = (double)(s->members * (s->tokens + s->steps));
}

static void close_multi(struct tern_op *op)
{
    struct multi *s = op->state;
    if (s->split)
        s->on.face->split_close(s->split);
    if (s->replicas)
        s->on.face->replicas_close(s->replicas);
    for (size_t i = 1; i < CUDA_CARDS_MOST; i++)
        if (s->devices[i])
            s->on.face->close(s->devices[i]);
    if (s->on.device)
        s->on.face->use(s->on.device, NULL);
    tern_gpu_seeded_close(&s->seeded);
    tern_array_close(s->prompt);
    tern_array_close(s->made);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_gpu_multi = {
    .name = "gpu_multi", .about = "requests on several cards: replicas, or one model over all", .params = params, .bind = bind_multi, .check = check_multi,
    .work = work_multi, .close = close_multi,
};
