/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/replicas.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct replica {
    struct cuda_replicas *all;
    struct cuda_device *device;
    struct cuda_model *model;
    struct cuda_session *session;
    struct cuda_replica_report report;
    struct cuda_fault fault;
    uint32_t *last;
};

struct cuda_replicas {
    size_t n;
    struct replica members[CUDA_CARDS_MOST];
    atomic_uint_fast64_t left; /* requests nobody has taken */
    const uint32_t *tokens;
    size_t n_tokens, steps;
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static enum cuda_outcome serve_one(struct replica *r, uint32_t *made)
{
    const struct cuda_replicas *all = r->all;
    double begin = now_ns();
    enum cuda_outcome o = cuda_session_rewind(r->session, 0, &r->fault);
    if (!o)
        o = cuda_session_feed(r->session, all->tokens, all->n_tokens, false, NULL, &r->fault);
    if (!o && all->steps)
        o = cuda_session_generate(r->session, all->steps, made, NULL, NULL, &r->fault);
    r->report.busy_ns += now_ns() - begin;
    r->report.requests += !o;
    return o;
}

static bool take_request(struct cuda_replicas *all)
{
    uint_fast64_t left = atomic_load(&all->left);
    while (left && !atomic_compare_exchange_weak(&all->left, &left, left - 1))
        ;
    return left;
}

static void *work(void *data)
{
    struct replica *r = data;
    uint32_t *made = malloc((r->all->steps + 1) * sizeof *made);
    enum cuda_outcome o = made ? cuda_device_use(r->device, &r->fault) : cuda_fail(&r->fault, CUDA_OUTCOME_out_of_memory, "no host memory for tokens");
    while (!o && take_request(r->all))
        o = serve_one(r, made);
    if (made && r->last)
        memcpy(r->last, made, r->all->steps * sizeof *made);
    free(made);
    return NULL;
}

enum cuda_outcome cuda_replicas_serve(struct cuda_replicas *all, uint64_t requests, const uint32_t *tokens, size_t n_tokens, size_t steps, uint32_t *last, double *ns,
                                      struct cuda_fault *fault)
{
    pthread_t threads[CUDA_CARDS_MOST];
    size_t started = 0;
    double begin = now_ns();
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    atomic_store(&all->left, requests);
    all->tokens = tokens;
    all->n_tokens = n_tokens;
    all->steps = steps;
    for (size_t i = 0; i < all->n; i++) {
        all->members[i].fault = (struct cuda_fault){0};
        all->members[i].last = last ? last + i * steps : NULL;
    }
    while (started < all->n && !pthread_create(&threads[started], NULL, work, &all->members[started]))
        started++;
    if (started < all->n)
        o = cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no thread for replica %zu", started);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < started && !o; i++)
        if ((o = all->members[i].fault.outcome) && fault)
            *fault = all->members[i].fault;
    *ns = now_ns() - begin;
    return o;
}

void cuda_replicas_report(const struct cuda_replicas *all, size_t i, struct cuda_replica_report *report)
{
    *report = all->members[i].report;
}

static enum cuda_outcome open_one(struct cuda_replicas *all, size_t i, size_t card, const char *driver, const struct cuda_model_spec *spec, const struct cuda_session_spec *sizes,
                                  struct cuda_fault *fault)
{
    struct replica *r = &all->members[i];
    enum cuda_outcome o;
    r->all = all;
    if ((o = cuda_device_open((int)card, driver, &r->device, fault)) || (o = cuda_model_open(r->device, spec, &r->model, fault)))
        return o;
    return cuda_session_bind(r->model, sizes, &r->session, fault);
}

enum cuda_outcome cuda_replicas_open(size_t n, size_t cards, const char *driver, const struct cuda_model_spec *spec, const struct cuda_session_spec *sizes, struct cuda_replicas **out,
                                     struct cuda_fault *fault)
{
    struct cuda_replicas *all = n && cards && n <= CUDA_CARDS_MOST ? calloc(1, sizeof *all) : NULL;
    if (!all)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "%zu replicas on %zu cards: 1 to %d can be served", n, cards, CUDA_CARDS_MOST);
    all->n = n;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (size_t i = 0; i < n && !o; i++)
        o = open_one(all, i, i % cards, driver, spec, sizes, fault);
    if (o)
        cuda_replicas_close(all);
    else
        *out = all;
    return o;
}

void cuda_replicas_close(struct cuda_replicas *all)
{
    for (size_t i = 0; all && i < all->n; i++) {
        struct replica *r = &all->members[i];
        if (r->device)
            cuda_device_use(r->device, NULL);
        cuda_session_close(r->session);
        cuda_model_close(r->model);
        cuda_device_close(r->device);
    }
    free(all);
}
