/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/split.h"
#include "cuda/pass.h"

#include <stdlib.h>
#include <string.h>

struct cuda_split {
    size_t n;
    struct cuda_device *devices[CUDA_CARDS_MOST];
    struct cuda_model *models[CUDA_CARDS_MOST];
    struct cuda_session *sessions[CUDA_CARDS_MOST];
    struct cuda_nccl nccl;
    void *begin, *end; /* events of the first card */
};

/* Calls f(session, argument) for each card in turn, its context current. */
typedef enum cuda_outcome each_fn(struct cuda_session *session, void *argument, struct cuda_fault *fault);

static enum cuda_outcome each(struct cuda_split *s, each_fn *f, void *argument, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < s->n && !o; i++)
        if (!(o = cuda_device_use(s->devices[i], fault)))
            o = f(s->sessions[i], argument, fault);
    return o;
}

/* ---- a pass */

struct part {
    const struct cuda_pass *pass;
    size_t layer;
    enum cuda_stage stage;
    const uint32_t *tokens;
    size_t at;
};

static enum cuda_outcome start_stage(struct cuda_session *session, void *argument, struct cuda_fault *fault)
{
    const struct part *p = argument;
    return cuda_pass_stage(session, p->pass, p->layer, p->stage, fault);
}

static enum cuda_outcome end_pass(struct cuda_session *session, void *argument, struct cuda_fault *fault)
{
    return cuda_pass_end(session, ((const struct part *)argument)->pass, fault);
}

static enum cuda_outcome gather(struct cuda_split *s, const struct part *p, struct cuda_fault *fault)
{
    uint64_t from[CUDA_CARDS_MOST], to[CUDA_CARDS_MOST];
    size_t count = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct cuda_stage_result r = cuda_pass_result(s->sessions[i], p->pass->rows, p->stage);
        from[i] = r.own;
        to[i] = r.all;
        count = r.floats;
    }
    return cuda_nccl_gather(&s->nccl, from, to, count, fault);
}

static enum cuda_outcome start_pass(struct cuda_split *s, const struct cuda_pass *pass, struct cuda_fault *fault)
{
    struct part p = {.pass = pass};
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (; p.layer < pass->layers && !o; p.layer++)
        for (p.stage = 0; p.stage < CUDA_STAGES && !o; p.stage++)
            if (!(o = each(s, start_stage, &p, fault)))
                o = gather(s, &p, fault);
    return o ? o : each(s, end_pass, &p, fault);
}

/* ---- feed, generate */

static enum cuda_outcome take_tokens(struct cuda_session *session, void *argument, struct cuda_fault *fault)
{
    const struct part *p = argument;
    size_t bytes = p->pass->rows * sizeof *p->tokens;
    enum cuda_outcome o = cuda_upload(session->device, session->history.at + p->at * sizeof *p->tokens, p->tokens, bytes, "tokens", fault);
    return o ? o : cuda_pass_choose(session, p->pass->rows, fault);
}

static enum cuda_outcome finish(struct cuda_session *session, void *argument, struct cuda_fault *fault)
{
    (void)argument;
    return cuda_finish(session->device, 60, fault);
}

static void add_length(struct cuda_split *s, size_t n)
{
    for (size_t i = 0; i < s->n; i++)
        s->sessions[i]->length += n;
}

static enum cuda_outcome feed_piece(struct cuda_split *s, const uint32_t *tokens, size_t at, size_t rows, bool is_last, struct cuda_fault *fault)
{
    struct cuda_pass pass = {.rows = rows, .layers = s->models[0]->spec.layers, .has_head = true, .keeps_best = is_last, .advance = rows};
    struct part p = {.pass = &pass, .tokens = tokens, .at = at};
    enum cuda_outcome o = each(s, take_tokens, &p, fault);
    return o ? o : start_pass(s, &pass, fault);
}

enum cuda_outcome cuda_split_feed(struct cuda_split *s, const uint32_t *tokens, size_t n, float *logits, struct cuda_fault *fault)
{
    struct cuda_session *first = s->sessions[0];
    size_t vocabulary = first->model->spec.vocabulary;
    enum cuda_outcome o = cuda_session_check(first, tokens, n, fault);
    for (size_t at = 0, rows; at < n && !o; at += rows) {
        rows = n - at < first->spec.rows ? n - at : first->spec.rows;
        o = feed_piece(s, tokens + at, first->length + at, rows, at + rows == n, fault);
    }
    if (!o)
        o = each(s, finish, NULL, fault);
    if (!o && logits && !(o = cuda_device_use(s->devices[0], fault)))
        o = cuda_fetch(s->devices[0], logits, first->logits.at, vocabulary * sizeof *logits, "fetching logits", fault);
    if (o)
        cuda_split_rewind(s, first->length, NULL);
    else
        add_length(s, n);
    return o;
}

static enum cuda_outcome start_steps(struct cuda_split *s, size_t n, struct cuda_fault *fault)
{
    const struct cuda_pass pass = {.rows = 1, .layers = s->models[0]->spec.layers, .has_head = true, .keeps_best = true, .advance = 1};
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < n && !o; i++)
        o = start_pass(s, &pass, fault);
    return o;
}

enum cuda_outcome cuda_split_generate(struct cuda_split *s, size_t n, uint32_t *out, double *ns, struct cuda_fault *fault)
{
    struct cuda_session *first = s->sessions[0];
    struct cuda_device *d = s->devices[0];
    float ms = 0;
    enum cuda_outcome o;
    if (!first->length || !n || n - 1 > first->spec.context - first->length)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "%zu tokens after %zu fed; the context has %zu positions", n, first->length, first->spec.context);
    if ((o = cuda_device_use(d, fault)) || (o = cuda_try(d, d->driver.record(s->begin, d->stream), "an event", fault)) || (o = start_steps(s, n - 1, fault)) ||
        (o = cuda_device_use(d, fault)) || (o = cuda_try(d, d->driver.record(s->end, d->stream), "an event", fault)) || (o = each(s, finish, NULL, fault)) ||
        (o = cuda_device_use(d, fault)) || (o = cuda_try(d, d->driver.elapsed(&ms, s->begin, s->end), "reading the card's clock", fault)) ||
        (o = cuda_fetch(d, out, first->history.at + first->length * sizeof *out, n * sizeof *out, "fetching tokens", fault)))
        return o;
    add_length(s, n - 1);
    if (ns)
        *ns = (double)ms * 1e6;
    return o;
}

static enum cuda_outcome rewind_one(struct cuda_session *session, void *argument, struct cuda_fault *fault)
{
    return cuda_session_stand(session, *(const size_t *)argument, fault);
}

enum cuda_outcome cuda_split_rewind(struct cuda_split *s, size_t length, struct cuda_fault *fault)
{
    return each(s, rewind_one, &length, fault);
}

/* ---- open, close */

static enum cuda_outcome open_one(struct cuda_split *s, size_t i, const struct cuda_model_spec *spec, const struct cuda_session_spec *sizes, struct cuda_fault *fault)
{
    struct cuda_model_spec shard = *spec;
    enum cuda_outcome o = cuda_device_use(s->devices[i], fault);
    shard.rank = i;
    shard.ranks = s->n;
    if (o || (o = cuda_model_open(s->devices[i], &shard, &s->models[i], fault)))
        return o;
    return cuda_session_bind(s->models[i], sizes, &s->sessions[i], fault);
}

enum cuda_outcome cuda_split_open(struct cuda_device *const *devices, size_t n, const struct cuda_model_spec *spec, const struct cuda_session_spec *sizes,
                                  struct cuda_split **out, struct cuda_fault *fault)
{
    struct cuda_split *s = n && n <= CUDA_CARDS_MOST ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "a model over %zu cards: 1 to %d can share one", n, CUDA_CARDS_MOST);
    s->n = n;
    memcpy(s->devices, devices, n * sizeof *devices);
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < n && !o; i++)
        o = open_one(s, i, spec, sizes, fault);
    if (!o)
        o = cuda_nccl_open(s->devices, n, &s->nccl, fault);
    if (!o && !(o = cuda_device_use(devices[0], fault)) && !(o = cuda_try(devices[0], devices[0]->driver.open_event(&s->begin, 0), "an event", fault)))
        o = cuda_try(devices[0], devices[0]->driver.open_event(&s->end, 0), "an event", fault);
    if (o)
        cuda_split_close(s);
    else
        *out = s;
    return o;
}

void cuda_split_close(struct cuda_split *s)
{
    if (!s)
        return;
    cuda_device_use(s->devices[0], NULL);
    if (s->begin)
        s->devices[0]->driver.close_event(s->begin);
    if (s->end)
        s->devices[0]->driver.close_event(s->end);
    cuda_nccl_close(&s->nccl);
    for (size_t i = 0; i < s->n; i++) {
        cuda_device_use(s->devices[i], NULL);
        cuda_session_close(s->sessions[i]);
        cuda_model_close(s->models[i]);
    }
    free(s);
}
