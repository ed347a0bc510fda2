/* SPDX-License-Identifier: Apache-2.0 */
#include "core/op.h"
#include "core/accelerator.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/monitor.h"
#include "core/threads.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tern_op_row *const rows[] = {
#define OP(name) &tern_op_row_##name,
#include "core/ops.def"
#undef OP
};
enum { N_ROWS = sizeof rows / sizeof *rows };

int tern_abi(void)
{
    return TERN_ABI;
}

int tern_threads(void)
{
    return tern_threads_allowed();
}

void tern_ops(const char *const **names, size_t *n)
{
    static const char *const list[] = {
#define OP(name) #name,
#include "core/ops.def"
#undef OP
    };
    *names = list;
    *n = N_ROWS;
}

/* ---- parameters */

static size_t index_of(const struct tern_op_row *row, const char *name)
{
    size_t i = 0;
    while (row->params[i].name && strcmp(row->params[i].name, name))
        i++;
    return i;
}

const char *tern_op_text(const struct tern_op *op, const char *name)
{
    size_t i = index_of(op->row, name);
    return op->row->params[i].name ? op->values[i] : NULL;
}

static enum tern_status bad(const struct tern_op *op, const char *name, const char *expected, struct tern_error *error)
{
    const char *found = tern_op_text(op, name);
    return tern_error_set(error, TERN_INVALID, "%s: parameter %s: expected %s, found \"%s\"", op->row->name, name, expected,
                          found ? found : "(the op has no such parameter)");
}

/* Number that ends at `stop`, the text's own end included only where stop is 0. */
static bool parse_size(const char *text, char stop, size_t *out, const char **end)
{
    char *rest;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &rest, 10);
    if (errno || *rest != stop)
        return false;
    *out = (size_t)value;
    *end = rest;
    return true;
}

enum tern_status tern_op_size(const struct tern_op *op, const char *name, size_t least, size_t most, size_t *out, struct tern_error *error)
{
    const char *end;
    char expected[96];
    if (parse_size(tern_op_text(op, name), 0, out, &end) && *out >= least && *out <= most)
        return TERN_OK;
    snprintf(expected, sizeof expected, "a whole number from %zu to %zu", least, most);
    return bad(op, name, expected, error);
}

enum tern_status tern_op_seed(const struct tern_op *op, const char *name, uint64_t *out, struct tern_error *error)
{
    size_t value = 0;
    enum tern_status status = tern_op_size(op, name, 0, SIZE_MAX, &value, error);
    *out = value;
    return status;
}

enum tern_status tern_op_number(const struct tern_op *op, const char *name, double least, double most, double *out, struct tern_error *error)
{
    const char *text = tern_op_text(op, name);
    char *rest, expected[96];
    double value = text && *text ? strtod(text, &rest) : NAN;
    if (value >= least && value <= most && !*rest) {
        *out = value;
        return TERN_OK;
    }
    snprintf(expected, sizeof expected, "a number from %g to %g", least, most);
    return bad(op, name, expected, error);
}

enum tern_status tern_op_choice(const struct tern_op *op, const char *name, const char *const *words, size_t *out, struct tern_error *error)
{
    const char *text = tern_op_text(op, name);
    char expected[200] = "one of";
    size_t at = strlen(expected);
    for (size_t i = 0; words[i]; i++) {
        if (text && !strcmp(words[i], text)) {
            *out = i;
            return TERN_OK;
        }
        at += at < sizeof expected ? (size_t)snprintf(expected + at, sizeof expected - at, " %s", words[i]) : 0;
    }
    return bad(op, name, expected, error);
}

enum tern_status tern_op_flag(const struct tern_op *op, const char *name, bool *out, struct tern_error *error)
{
    static const char *const words[] = { "0", "1", "false", "true", "hot", "cold", NULL };
    size_t i = 0;
    enum tern_status status = tern_op_choice(op, name, words, &i, error);
    *out = i & 1;
    return status;
}

enum tern_status tern_op_shape(const struct tern_op *op, const char *name, size_t n, size_t *out, struct tern_error *error)
{
    const char *at = tern_op_text(op, name);
    for (size_t i = 0; i < n; i++) {
        if (!parse_size(at, i + 1 < n ? 'x' : 0, &out[i], &at))
            return bad(op, name, "sizes joined by x, such as 2560x2560", error);
        at++;
    }
    return TERN_OK;
}

enum tern_status tern_op_threads(const struct tern_op *op, const char *name, int usual, int *out, struct tern_error *error)
{
    size_t n;
    *out = usual;
    if (!strcmp(tern_op_text(op, name), "auto"))
        return TERN_OK;
    enum tern_status status = tern_op_size(op, name, 1, TERN_THREADS_MAX, &n, error);
    *out = status ? 1 : (int)n;
    return status;
}

/* ---- bind, run, check, work */

static enum tern_status take_params(struct tern_op *op, const struct tern_param *params, size_t n, struct tern_error *error)
{
    for (size_t i = 0; op->row->params[i].name; i++)
        op->values[i] = op->row->params[i].value;
    for (size_t p = 0; p < n; p++) {
        size_t i = index_of(op->row, params[p].name);
        if (!op->row->params[i].name)
            return tern_error_set(error, TERN_INVALID, "%s: it has no parameter \"%s\" (value \"%s\")", op->row->name, params[p].name,
                                  params[p].value);
        op->values[i] = params[p].value;
    }
    return TERN_OK;
}

static enum tern_status take_backend(struct tern_op *op, struct tern_error *error)
{
    const char *name = tern_op_text(op, "backend");
    op->backend = tern_backend_scalar();
    if (op->row == tern_accelerator_row(op->row->name) || !strncmp(op->row->name, "gpu_", 4)) {
        op->backend = tern_accelerator_backend();
        return TERN_OK;
    }
    return name ? tern_backend_find(name, &op->backend, error) : TERN_OK;
}

static const struct tern_op_row *find(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (!strcmp(rows[i]->name, name))
            return rows[i];
    return NULL;
}

/* "bitlinear/backend=avx2/batch=8": what was given, in the order of the row. */
static void name_op(struct tern_op *op, const struct tern_param *params, size_t n)
{
    size_t at = (size_t)snprintf(op->name, sizeof op->name, "%s", op->row->name);
    for (size_t i = 0; op->row->params[i].name; i++)
        for (size_t p = 0; p < n && at < sizeof op->name; p++)
            if (!strcmp(params[p].name, op->row->params[i].name))
                at += (size_t)snprintf(op->name + at, sizeof op->name - at, "/%s=%s", params[p].name, params[p].value);
}

enum tern_status tern_op_bind(const char *name, const struct tern_param *params, size_t n, struct tern_op **out, struct tern_error *error)
{
    tern_monitor_environment();
    const struct tern_op_row *row = tern_accelerator_wanted(params, n) ? tern_accelerator_row(name) : NULL;
    if (!row && !(row = find(name)))
        return tern_error_set(error, TERN_INVALID, "no operation is named \"%s\"", name);
    struct tern_op *op = tern_array_open(1, sizeof *op);
    if (!op)
        return tern_error_memory(error, name, sizeof *op);
    op->row = row;
    enum tern_status status = take_params(op, params, n, error);
    if (!status)
        status = take_backend(op, error);
    if (!status)
        status = row->bind(op, error);
    name_op(op, params, n);
    memset(op->values, 0, sizeof op->values);
    if (status)
        tern_op_close(op);
    else
        *out = op;
    return status;
}

/* Operations whose choices are known without binding them. */
static const struct {
    const struct tern_op_row *row;
    enum tern_status (*explain)(struct tern_op *op, struct tern_error *error);
} explained[] = {
    { &tern_op_row_matmul, tern_op_layer_explain },
    { &tern_op_row_bitlinear, tern_op_layer_explain },
    { &tern_op_row_layout, tern_op_layout_explain },
};

enum tern_status tern_op_explain(const char *name, const struct tern_param *params, size_t n, char *why, size_t room, struct tern_error *error)
{
    const struct tern_op_row *row = tern_accelerator_wanted(params, n) ? tern_accelerator_row(name) : find(name);
    size_t i = 0;
    if (!row)
        return tern_error_set(error, TERN_INVALID, "no operation is named \"%s\"", name);
    while (i < sizeof explained / sizeof *explained && explained[i].row != row)
        i++;
    if (i == sizeof explained / sizeof *explained)
        return tern_error_set(error, TERN_UNSUPPORTED, "%s: its choices are made when it is bound", name);
    struct tern_op op = { .row = row };
    enum tern_status status = take_params(&op, params, n, error);
    if (!status)
        status = take_backend(&op, error);
    if (!status)
        status = explained[i].explain(&op, error);
    if (!status)
        snprintf(why, room, "%s", op.why);
    return status;
}

/* A build for tests of the gate (make EXTRA_WORK=0.10) does that share of a device's iterations again; what is owed stays the op's. */
static uint64_t with_extra(struct tern_op *op, uint64_t n)
{
#ifdef TERN_TEST_EXTRA_WORK
    op->extra_owed += (double)n * TERN_TEST_EXTRA_WORK;
    uint64_t now = (uint64_t)op->extra_owed;
    op->extra_owed -= (double)now;
    return n + now;
#else
    (void)op;
    return n;
#endif
}

static void run_times(struct tern_op *op, uint64_t n)
{
    void (*run)(struct tern_op *) = op->row->run;
    if (op->run_many) {
        op->run_many(op, with_extra(op, n));
        return;
    }
    for (; n; n--)
        run(op);
}

static void run_watched(struct tern_op *op, uint64_t n)
{
    double begin = tern_monitor_clock();
    run_times(op, n);
    double ns = op->run_many ? op->elapsed_ns : tern_monitor_clock() - begin;
    tern_monitor_add(&op->monitored, op->name, ns / (double)n);
}

void tern_op_run(void *pointer, uint64_t n)
{
    struct tern_op *op = pointer;
    if (tern_monitor_is_on() && n)
        run_watched(op, n);
    else
        run_times(op, n);
}

double tern_op_elapsed_ns(void *pointer)
{
    const struct tern_op *op = pointer;
    return op->run_many ? op->elapsed_ns : 0;
}

enum tern_status tern_op_check(struct tern_op *op, struct tern_error *error)
{
    return op->row->check(op, error);
}

void tern_op_work(const struct tern_op *op, struct tern_work *work)
{
    *work = (struct tern_work){ 0, 0, 0 };
    op->row->work(op, work);
}

double tern_op_latency(struct tern_op *op, double quantile)
{
    return op->latency ? op->latency(op, quantile) : -1;
}

const char *tern_op_backend(const struct tern_op *op)
{
    return op->backend->name;
}

size_t tern_op_observe(const struct tern_op *op, struct tern_observed *out, size_t room)
{
    return op->observe ? op->observe(op, out, room) : 0;
}

const char *tern_op_why(const struct tern_op *op)
{
    return op->why;
}

void tern_op_close(struct tern_op *op)
{
    if (!op)
        return;
    if (op->state)
        op->row->close(op);
    tern_array_close(op);
}
