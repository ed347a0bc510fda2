static const double least_budget_ns = 2e9;  /* a small suite is measured once on a busy machine too */

/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/session.h"

#include "measure/clock.h"
#include "measure/interrupt.h"
#include "measure/record.h"
#include "plan/order.h"
#include "probe/cpuset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Memory that a cell leaves in its worker (a library that keeps what was freed) counts in the next one's peak, up to this. */
static const double most_left_bytes = 32 << 20;

struct pass {
    struct session *session;
    unsigned number;
    size_t done, all;  /* turns of cells, over all generations */
    uint64_t random;
    uint64_t deadline;
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The outcome of a cell that gave no samples, as a generation; NULL when the user stopped the run. */
static json_t *lost(const struct fault *fault)
{
    if (fault->code == EXIT_CODE_INTERRUPTED)
        return NULL;
    return json_pack("{s:s}", fault->code == EXIT_CODE_CANNOT_JUDGE ? "unfit" : "failed", fault->text);
}

json_t *session_measure(struct worker *worker, const json_t *cell, const struct sampling *sampling, struct fault *fault)
{
    json_t *info = NULL, *generation = NULL, *closed = NULL;
    *fault = (struct fault){0};
    if (!worker_open(worker, text_of(cell, "bench"), json_object_get(cell, "params"), &info, fault)) {
        generation = lost(fault);
        if (worker_alive(worker))
            worker_close(worker, NULL, &(struct fault){0});  /* what setup made goes away */
        return generation;
    }
    bool stream = strcmp(text_of(info, "kind"), "stream") == 0;
    generation = stream ? sampling_stream(worker, sampling, fault) : sampling_generation(worker, sampling, fault);
    bool measured = generation != NULL;
    if (!measured)
        generation = lost(fault);
    struct fault closing = {0};
    if (worker_alive(worker) && !worker_close(worker, &closed, &closing) && measured) {
        json_decref(generation);
        generation = lost(&closing);
        *fault = closing;
    }
    double peak = json_number_value(json_object_get(closed, "peak_bytes"));
    if (peak > 0 && strcmp(text_of(info, "kind"), "command") == 0)
        json_object_del(closed, "peak_bytes");  /* of commands, that of the process counts */
    json_object_update(generation, info);
    json_object_update(generation, closed);
    json_decref(info);
    json_decref(closed);
    return generation;
}

static json_t *generations_of(struct session *session, const char *id)
{
    json_t *list = json_object_get(session->generations, id);
    if (!list) {
        list = json_array();
        json_object_set_new(session->generations, id, list);
    }
    return list;
}

static bool needs(struct session *session, const json_t *cell, unsigned number)
{
    const json_t *list = json_object_get(session->generations, text_of(cell, "id"));
    return !record_is_done(cell, list, session->sampling.generations) && json_array_size(list) <= number;
}

static bool keep(struct pass *pass, const json_t *cell, json_t *generation, struct fault *fault)
{
    struct session *s = pass->session;
    const char *id = text_of(cell, "id");
    json_object_set_new(generation, "number", json_integer((json_int_t)pass->number));
    json_array_append_new(generations_of(s, id), generation);
    return !s->finished || s->finished(s->context, id, generation, fault);
}

/* A worker that is ready for this suite: the one given while it lives, else a new one. */
static struct worker *ready(struct worker *worker, struct pass *pass, const json_t *cell, struct fault *fault)
{
    if (worker_alive(worker))
        return worker;
    worker_stop(worker);
    struct worker_start start = pass->session->request->worker;
    start.suite = text_of(cell, "file");
    start.cpu = cpuset_quietest();
    *fault = (struct fault){0};
    return worker_start(&start, fault);
}

/* One cell's generation; false ends the run. `*worker` may have become another or NULL. */
static bool measure_cell(struct pass *pass, const json_t *cell, struct worker **worker, struct fault *fault)
{
    struct session *s = pass->session;
    if (s->progress)
        s->progress(s->context, text_of(cell, "id"), pass->done, pass->all);
    pass->done++;
    *worker = ready(*worker, pass, cell, fault);
    if (!*worker && fault->code != EXIT_CODE_FAILED)
        return false;
    json_t *generation = *worker ? session_measure(*worker, cell, &s->sampling, fault) : lost(fault);
    if (!generation)
        return false;
    bool is_left = json_number_value(json_object_get(generation, "left_bytes")) > most_left_bytes;
    json_object_del(generation, "left_bytes");
    if (is_left || !json_object_get(generation, "samples_ns")) {  /* what a cell leaves in its process is not the next one's burden */
        worker_stop(*worker);
        *worker = NULL;
    }
    *fault = (struct fault){0};
    return keep(pass, cell, generation, fault);
}

/* Past the budget a cell keeps the generations that it has; one without any is said to be unmeasured. */
static bool leave_out(struct pass *pass, const json_t *cell, struct fault *fault)
{
    pass->done++;
    if (json_array_size(generations_of(pass->session, text_of(cell, "id"))) > 0)
        return true;
    return keep(pass, cell, json_pack("{s:s}", "unfit", "the budget ended before it was measured"), fault);
}

/* The cells of one suite, in random order. */
static bool measure_suite(struct pass *pass, const char *suite, struct fault *fault)
{
    struct session *s = pass->session;
    size_t n_cells = json_array_size(s->cells), n = 0;
    size_t *order = calloc(n_cells + 1, sizeof *order);
    for (size_t i = 0; order && i < n_cells; i++) {
        const json_t *cell = json_array_get(s->cells, i);
        if (strcmp(text_of(cell, "suite"), suite) == 0 && needs(s, cell, pass->number))
            order[n++] = i;
    }
    bool ok = order != NULL || fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    order_shuffle(&pass->random, order, n);
    struct worker *worker = NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = !interrupt_asked() || fault_set(fault, EXIT_CODE_INTERRUPTED, "interrupted");
        const json_t *cell = json_array_get(s->cells, order[i]);
        if (ok && needs(s, cell, pass->number))
            ok = clock_now_ns() < pass->deadline ? measure_cell(pass, cell, &worker, fault) : leave_out(pass, cell, fault);
    }
    worker_stop(worker);
    free(order);
    return ok;
}

/* The names of the suites in the plan, each once. */
static json_t *suites_of(const json_t *cells)
{
    json_t *seen = json_object(), *names = json_array(), *cell;
    size_t i;
    json_array_foreach(cells, i, cell) {
        const char *suite = text_of(cell, "suite");
        if (json_object_get(seen, suite))
            continue;
        json_object_set_new(seen, suite, json_true());
        json_array_append(names, json_object_get(cell, "suite"));
    }
    json_decref(seen);
    return names;
}

static bool measure_generation(struct pass *pass, const json_t *suites, struct fault *fault)
{
    size_t n = json_array_size(suites);
    size_t *order = calloc(n + 1, sizeof *order);
    for (size_t i = 0; order && i < n; i++)
        order[i] = i;
    bool ok = order != NULL || fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    if (ok)
        order_shuffle(&pass->random, order, n);
    for (size_t i = 0; ok && i < n; i++)
        ok = measure_suite(pass, json_string_value(json_array_get(suites, order[i])), fault);
    free(order);
    return ok;
}

static size_t count_turns(struct session *session)
{
    size_t n = 0, i;
    json_t *cell;
    json_array_foreach(session->cells, i, cell)
        for (unsigned g = 0; g < session->sampling.generations; g++)
            n += needs(session, cell, g);
    return n;
}

bool session_run(struct session *session, struct fault *fault)
{
    json_t *suites = suites_of(session->cells);
    struct pass pass = {.session = session, .all = count_turns(session), .random = session->seed};
    bool ok = true;
    pass.deadline = session->budget_ns > 0 ? clock_now_ns() + (uint64_t)fmax(session->budget_ns, least_budget_ns) : UINT64_MAX;
    for (; ok && pass.number < session->sampling.generations; pass.number++)
        ok = measure_generation(&pass, suites, fault);
    json_decref(suites);
    return ok;
}
